//! One bar a tool, drawn as SVG that is read on light and on dark. Pure: the same bars give the same bytes.

use std::fmt::Write as _;

use super::table::ratio;

/// One tool.
pub struct Bar {
    /// What people read.
    pub name: String,
    /// Its length.
    pub value: f64,
    /// Drawn as what the chart is about.
    pub ours: bool,
}

const WIDTH: f64 = 720.0;
const ROW: f64 = 26.0;
const TOP: f64 = 44.0;
const NAMES: f64 = 170.0;
const VALUES: f64 = 60.0;

/// Bars from the shortest to the longest, and a line where the goal is.
pub fn draw(title: &str, goal: f64, mut bars: Vec<Bar>) -> String {
    bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    let longest = bars.iter().map(|bar| bar.value).fold(goal, f64::max);
    let scale = (WIDTH - NAMES - VALUES) / longest;
    let bottom = TOP + ROW * bars.len() as f64;
    let height = bottom + 24.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{title}">
<style>
text {{ font: 13px sans-serif; fill: #24292f; }} .head {{ font-weight: bold; }} .goal {{ stroke: #57606a; stroke-dasharray: 4 3; }}
rect {{ fill: #9aa4af; }} .ours {{ fill: #0969da; }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3; }} .goal {{ stroke: #9198a1; }} rect {{ fill: #59636e; }} .ours {{ fill: #4493f8; }} }}
</style>
<text class="head" x="0" y="18">{title}</text>
"#
    );
    for (index, bar) in bars.iter().enumerate() {
        let top = TOP + ROW * index as f64;
        let (length, line) = (bar.value * scale, top + 15.0);
        let class = if bar.ours { r#" class="ours""# } else { "" };
        let _ = writeln!(
            svg,
            r#"<text x="{:.0}" y="{line:.0}" text-anchor="end">{}</text>"#,
            NAMES - 8.0,
            bar.name
        );
        let _ =
            writeln!(svg, r#"<rect{class} x="{NAMES:.0}" y="{top:.0}" width="{length:.1}" height="20"/>"#);
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{line:.0}">{}</text>"#,
            NAMES + length + 6.0,
            ratio(bar.value)
        );
    }
    let at = NAMES + goal * scale;
    let _ = writeln!(
        svg,
        r#"<line class="goal" x1="{at:.1}" x2="{at:.1}" y1="{:.0}" y2="{bottom:.0}"/>"#,
        TOP - 8.0
    );
    let _ = writeln!(svg, r#"<text x="{at:.1}" y="{:.0}">goal {goal}</text>"#, bottom + 16.0);
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, value: f64) -> Bar {
        Bar { name: name.to_owned(), value, ours: name == "ours" }
    }

    #[test]
    fn bars_are_as_long_as_they_say_and_in_order() {
        let svg = draw("Bytes", 0.05, vec![bar("other", 0.49), bar("ours", 0.049)]);
        let found: Vec<&str> = svg.lines().filter(|line| line.starts_with("<rect")).collect();
        assert_eq!(
            found,
            [
                r#"<rect class="ours" x="170" y="44" width="49.0" height="20"/>"#,
                r#"<rect x="170" y="70" width="490.0" height="20"/>"#
            ]
        );
        assert!(svg.contains(r#"<line class="goal" x1="220.0""#), "{svg}");
    }

    #[test]
    fn a_chart_without_bars_is_a_chart() {
        assert!(draw("Bytes", 0.05, Vec::new()).ends_with("</svg>\n"));
    }
}
