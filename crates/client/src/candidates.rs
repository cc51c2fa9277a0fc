//! Values that a shell is offered for the arguments that are neither words of the command line nor files. A failure of
//! any kind offers nothing, because a shell has no place for an error.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use headwater_policy::judge_addresses;

use crate::config::{Config, RawConfig};
use crate::os;

/// The id in the data folder that the line names; the name of the host if there is none.
pub(crate) fn client_id() -> ArgValueCompleter {
    beginning(|| {
        let line: Vec<String> = env::args().collect();
        let Some(data) = data_folder(&line) else { return vec![os::host_name()] };
        let config = Config::try_from(RawConfig { data: Some(data), ..RawConfig::default() });
        config.map(|config| vec![config.id.to_string()]).unwrap_or_default()
    })
}

/// The addresses of the interfaces.
pub(crate) fn addresses() -> ArgValueCompleter {
    beginning(|| {
        let judged = judge_addresses(&os::interfaces().unwrap_or_default());
        let offered = judged.iter().filter(|judged| judged.verdict.counts());
        offered.map(|judged| judged.address.to_string()).collect()
    })
}

/// Those of the values that begin with the word so far.
fn beginning(values: impl Fn() -> Vec<String> + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        values()
            .into_iter()
            .filter(|value| value.starts_with(current))
            .map(CompletionCandidate::new)
            .collect()
    })
}

/// The data folder of a line that is not complete yet, or of the configuration file that it names.
fn data_folder(line: &[String]) -> Option<PathBuf> {
    let flag = |name: &str| {
        let separate = line.windows(2).find(|words| words[0] == name).map(|words| words[1].as_str());
        separate.or_else(|| line.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')))
    };
    flag("--data").map(PathBuf::from).or_else(|| RawConfig::read(Path::new(flag("--config")?)).ok()?.data)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::data_folder;

    #[test]
    fn the_data_folder_is_that_of_the_line_or_of_its_configuration_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("client.toml");
        fs::write(&file, "data = \"/of/the/file\"\n").unwrap();
        let check = |words: &str, expected: Option<&str>| {
            let line: Vec<String> =
                words.replace("FILE", file.to_str().unwrap()).split(' ').map(str::to_owned).collect();
            assert_eq!(data_folder(&line).as_deref(), expected.map(Path::new), "{words}");
        };
        check("headwater-client -- headwater-client run --data d --id p", Some("d"));
        check("headwater-client -- headwater-client run --id p --data=d", Some("d"));
        check("headwater-client -- headwater-client run --config FILE --id p", Some("/of/the/file"));
        check("headwater-client -- headwater-client run --config FILE --data d --id p", Some("d"));
        check("headwater-client -- headwater-client run --config missing --id p", None);
        check("headwater-client -- headwater-client run --id p", None);
    }
}
