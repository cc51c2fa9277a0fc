//! The service unit starts what this program understands.

use headwater_cli::command;

#[test]
fn the_server_unit_starts_the_server() {
    let unit = include_str!("../../../../packaging/systemd/headwater-server.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let words = start.split_whitespace();
    let matches = command().try_get_matches_from(words).unwrap();
    assert_eq!(matches.subcommand_name(), Some("server"), "{start}");
    assert!(start.starts_with("/usr/bin/headwater "), "{start}");
}
