//! `headwater demo`, small and quick.

use std::fs;

use serde_json::Value;

use crate::run::headwater;

fn demo(arguments: &[&str]) -> (i32, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    for (series, release, text) in
        [("rules", "1_a", "first"), ("rules", "2_b", "second"), ("engine", "1_x", "engine")]
    {
        fs::create_dir_all(folder.path().join("feed").join(series)).unwrap();
        fs::write(folder.path().join("feed").join(series).join(release), text.repeat(5000)).unwrap();
    }
    // A release may be a folder as well as a file.
    let folder_release = folder.path().join("feed/engine/2_y/lib");
    fs::create_dir_all(&folder_release).unwrap();
    fs::write(folder_release.join("engine.so"), "engine").unwrap();
    let arguments: Vec<&str> = ["demo", "--exit", "--json"].iter().chain(arguments).copied().collect();
    let ran = headwater(folder.path(), &arguments);
    (ran.exit, serde_json::from_str(&ran.stdout).unwrap_or_default(), ran.stderr)
}

#[test]
fn all_clients_become_current_from_the_right_sources() {
    let (exit, totals, stderr) = demo(&["--feed", "feed"]);
    assert_eq!(exit, 0, "{totals} {stderr}");
    assert_eq!((&totals["clients"], &totals["current"]), (&6.into(), &6.into()), "{stderr}");
    assert_eq!((&totals["update_agents"], &totals["update_agents_current"]), (&2.into(), &2.into()));
    assert_eq!(totals["publications"], 2);
    assert_eq!(totals["first_password"].as_str().map(str::len), Some(23), "{totals}");
    for source in ["bytes_from_server", "bytes_from_update_agents", "bytes_from_vendor"] {
        assert!(totals[source].as_u64() > Some(0), "{source}: {totals}");
    }
    for class in ["settings", "components", "programs"] {
        assert!(
            totals["by_source"][class]["update_agent:ua-paris"]["clients"].as_u64() >= Some(2),
            "{class}: {totals}"
        );
    }
    assert!(totals["by_source"]["components"]["vendor"]["clients"].as_u64() >= Some(2), "{totals}");
    assert_eq!(totals["attempts"].as_object().unwrap().len(), 8);
}

#[test]
fn without_update_agents_there_is_one_site() {
    let (exit, totals, stderr) = demo(&["--feed", "feed", "--clients", "1", "--update-agents", "0"]);
    assert_eq!(
        (exit, &totals["current"], &totals["bytes_from_update_agents"]),
        (0, &1.into(), &0.into()),
        "{totals} {stderr}"
    );
}

#[test]
fn a_timeout_that_is_too_short_ends_it_with_1() {
    let (exit, totals, stderr) = demo(&["--clients", "20", "--timeout", "1s"]);
    assert_eq!(exit, 1, "{totals}");
    assert!(stderr.contains("--timeout"), "{stderr}");
    assert!(totals["current"].as_u64() < Some(20), "{totals}");
}

/// Without `--exit` it continues until Ctrl-C with its API open; the folder of `--data` stays.
#[test]
fn it_continues_until_ctrl_c_and_names_its_api() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(["demo", "--clients", "1", "--update-agents", "0", "--data", "kept"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut output = lines.skip_while(|line| !line.contains("Its API: "));
    let line = output.next().expect("it names its API");
    let api = line.rsplit(' ').next().unwrap();
    let listed = headwater(folder.path(), &["clients", "list", "--server", api, "--json"]);
    assert_eq!(listed.exit, 0, "{listed:?}");
    // Its hint: what is published into the running demo comes to the remote site, too, whose entry is the vendor source.
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/a.txt"), "mine").unwrap();
    let publish = ["publish", "mine", "--name", "mine", "--version", "7", "--server", api];
    assert_eq!(headwater(folder.path(), &publish).exit, 0);
    let line = output.find(|line| line.contains("mine 7")).expect("the remote client takes it");
    assert!(line.contains("remote-1") && line.contains("from server"), "{line}");
    let interrupt = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    assert!(folder.path().join("kept").is_dir());
}

/// A delta in progress does not delay the end of the demo.
#[test]
fn it_stops_though_deltas_are_being_made() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir_all(here.join("feed/large")).unwrap();
    for release in 1..=2_u64 {
        let line = |at: u64| {
            format!("{:016x}\n", (at + at % 1000 / 999 * release).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        };
        let text: String = (0..900_000).map(line).collect();
        fs::write(here.join("feed/large").join(release.to_string()), text).unwrap();
    }
    let mut demo = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(["demo", "--clients", "1", "--update-agents", "0", "--feed", "feed", "--data", "kept"])
        .current_dir(here)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.take_while(|line| !line.starts_with("Publication 2 of 2")).count() > 0);
    let interrupt = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert!(demo.wait().unwrap().code().is_some(), "it ends without a second signal");
    let newest = fs::read_dir(here.join("kept/vendor/components/targets/large")).unwrap();
    let manifests =
        newest.filter(|entry| entry.as_ref().unwrap().path().to_string_lossy().ends_with(".2.json"));
    assert_eq!(manifests.count(), 1, "it was published once: no delta joined");
}
