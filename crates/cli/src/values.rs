//! Values of arguments that several commands take: enumerated words, times, switches, names of drafts.

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use headwater_policy::{Class, Mode, Repository, VendorFallback};
use jiff::{Span, SpanRelativeTo, Unit};

/// One of the three classes.
pub fn class_parser() -> impl TypedValueParser<Value = Class> {
    class_words().map(|word| word.parse().expect("a class's own name is a class"))
}

/// The policy's repository or that of a class.
pub fn repository_parser() -> impl TypedValueParser<Value = Repository> {
    let words = PossibleValuesParser::new(Repository::ALL.map(Repository::as_str));
    words.map(|word| word.parse().expect("a repository's own name is a repository"))
}

/// The word of one of the three classes.
pub fn class_words() -> PossibleValuesParser {
    PossibleValuesParser::new(Class::ALL.map(Class::as_str))
}

/// The word of a mode of the source list.
pub fn mode_words() -> PossibleValuesParser {
    let word = |mode: Mode, help: &'static str| PossibleValue::new(mode.as_str()).help(help);
    PossibleValuesParser::new([
        word(Mode::Standard, "every client updates from the server"),
        word(Mode::Customized, "clients update as the source list says"),
    ])
}

/// The word that says when clients fall back to the vendor source.
pub fn vendor_fallback_words() -> PossibleValuesParser {
    let word = |when: VendorFallback, help: &'static str| PossibleValue::new(when.as_str()).help(help);
    PossibleValuesParser::new([
        word(
            VendorFallback::Documented,
            "if the domain allows it; also where the server is no fallback and no entry names the vendor source",
        ),
        word(VendorFallback::PrivilegeOnly, "only if the domain allows it"),
        word(VendorFallback::Never, "never, whatever the domain allows"),
    ])
}

/// The word of an administrator's role.
pub fn role_words() -> PossibleValuesParser {
    PossibleValuesParser::new([
        PossibleValue::new("viewer").help("sees everything but administrators and the audit log"),
        PossibleValue::new("operator")
            .help("also publishes, edits the source list, manages clients and domains"),
        PossibleValue::new("admin").help("also manages administrators and keys, and reads the audit log"),
    ])
}

/// `on` or `off`.
pub fn switch_parser() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new([
        PossibleValue::new("on").alias("true").alias("yes"),
        PossibleValue::new("off").alias("false").alias("no"),
    ])
    .map(|word| matches!(word.as_str(), "on" | "true" | "yes"))
}

/// The flags that name a draft in the commands of a hint; empty for one's own default draft.
pub fn draft_flag(draft: &str, owner: Option<&str>) -> String {
    let name = if draft == "default" { String::new() } else { format!(" --draft {draft}") };
    let owner = owner.map_or_else(String::new, |owner| format!(" --owner {owner}"));
    format!("{name}{owner}")
}

/// A time as people write it, in whole seconds: `90`, `90s`, `5m`, `1h 30m`, `7d`.
pub fn parse_seconds(text: &str) -> Result<u32, String> {
    let expected =
        || "expected a whole number of seconds, or a number with s, m, h or d, such as 90s".to_owned();
    let seconds = match text.parse::<u32>() {
        Ok(seconds) => f64::from(seconds),
        Err(_) => {
            let span: Span = text.parse().map_err(|_| expected())?;
            // A month or a year has no fixed length.
            let relative = SpanRelativeTo::days_are_24_hours();
            span.total((Unit::Second, relative)).map_err(|_| expected())?
        }
    };
    if seconds < 1.0 {
        return Err("a time must be at least one second".to_owned());
    }
    if seconds > f64::from(u32::MAX) {
        return Err(format!("a time must be at most {} seconds", u32::MAX));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Ok(seconds as u32)
}

#[cfg(test)]
mod tests {
    use super::parse_seconds;

    #[test]
    fn times_are_read_with_their_units() {
        let check = |text: &str, seconds: u32| assert_eq!(parse_seconds(text), Ok(seconds));
        check("90", 90);
        check("90s", 90);
        check("5m", 300);
        check("1.5m", 90);
        check("1h", 3600);
        check("1h 30m", 5400);
        check("7d", 7 * 24 * 3600);
        check("4294967295", u32::MAX);
        for bad in ["", "s", "0", "0s", "-1s", "1s ago", "1y", "2mo", "4294967295h", "5ü"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}

/// Why keys are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Because {
    /// Somebody else may have them: endpoints replace what only these keys signed
    Compromised,
    /// Routine or loss: endpoints keep what they have until you publish something newer
    Planned,
}

impl From<Because> for headwater_api::v1::ReplacementReason {
    fn from(because: Because) -> Self {
        match because {
            Because::Compromised => Self::Compromised,
            Because::Planned => Self::Planned,
        }
    }
}

impl From<Because> for headwater_repo::KeyReplacement {
    fn from(because: Because) -> Self {
        match because {
            Because::Compromised => Self::Compromised,
            Because::Planned => Self::Planned,
        }
    }
}
