//! One dot a tool on a logarithmic scale, drawn as SVG that is read on light and on dark. Pure: the same values give the
//! same bytes.

use std::fmt::Write as _;

use super::table::ratio;

/// One tool.
pub struct Dot {
    /// What people read.
    pub name: String,
    /// Where it is; above zero.
    pub value: f64,
    /// Drawn as what the chart is about.
    pub ours: bool,
}

const WIDTH: f64 = 720.0;
const ROW: f64 = 24.0;
const TOP: f64 = 40.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 660.0;

const STYLE: &str = "\
text { font: 13px sans-serif; fill: #24292f; } .head { font-weight: bold; } line { stroke: #d0d7de; }
.goal { stroke: #57606a; stroke-dasharray: 4 3; } circle { fill: #7d8794; } .ours { fill: #0969da; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } line { stroke: #30363d; }
  .goal { stroke: #9198a1; } circle { fill: #848d97; } .ours { fill: #4493f8; } }";

/// Dots from the least to the most, and a line where the goal is.
pub fn draw(title: &str, goal: f64, mut dots: Vec<Dot>) -> String {
    dots.sort_by(|a, b| a.value.total_cmp(&b.value));
    let values = || dots.iter().map(|dot| dot.value).chain([goal]);
    let low = values().fold(f64::INFINITY, f64::min).log10().floor();
    let high = values().fold(0.0, f64::max).log10().ceil().max(low + 1.0);
    let place = |value: f64| LEFT + (value.log10() - low) / (high - low) * (RIGHT - LEFT);
    let bottom = TOP + ROW * dots.len() as f64;
    let height = bottom + 22.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{title}\">\n<style>\n{STYLE}\n</style>\n<text class=\"head\" x=\"0\" y=\"18\">{title}</text>\n"
    );
    let mut upright = |class: &str, value: f64, text: &str| {
        let x = place(value);
        let _ =
            writeln!(svg, r#"<line{class} x1="{x:.1}" x2="{x:.1}" y1="{:.0}" y2="{bottom:.0}"/>"#, TOP - 8.0);
        let _ =
            writeln!(svg, r#"<text x="{x:.1}" y="{:.0}" text-anchor="middle">{text}</text>"#, bottom + 16.0);
    };
    for power in low as i32..=high as i32 {
        let value = 10_f64.powi(power);
        upright("", value, &value.to_string());
    }
    upright(r#" class="goal""#, goal, &format!("goal {goal}"));
    for (index, Dot { name, value, ours }) in dots.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        let (x, line) = (place(*value), y + 4.0);
        let class = if *ours { r#" class="ours""# } else { "" };
        let _ =
            writeln!(svg, r#"<text x="{:.0}" y="{line:.0}" text-anchor="end">{name}</text>"#, LEFT - 10.0);
        let _ = writeln!(svg, r#"<circle{class} cx="{x:.1}" cy="{y:.0}" r="6"/>"#);
        let _ = writeln!(svg, r#"<text x="{:.1}" y="{line:.0}">{}</text>"#, x + 11.0, ratio(*value));
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(name: &str, value: f64) -> Dot {
        Dot { name: name.to_owned(), value, ours: name == "ours" }
    }

    #[test]
    fn dots_stand_at_their_values_in_order() {
        let svg = draw("Bytes", 0.1, vec![dot("other", 1.0), dot("ours", 0.01)]);
        let found: Vec<&str> = svg.lines().filter(|line| line.starts_with("<circle")).collect();
        let expected =
            [r#"<circle class="ours" cx="170.0" cy="52" r="6"/>"#, r#"<circle cx="660.0" cy="76" r="6"/>"#];
        assert_eq!(found, expected);
        assert!(svg.contains(r#"<line class="goal" x1="415.0""#), "{svg}");
    }

    #[test]
    fn a_chart_without_dots_is_a_chart() {
        let svg = draw("Bytes", 0.1, Vec::new());
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
