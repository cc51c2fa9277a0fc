//! The network itself: hosts reach one another by both families, and are silent once unplugged.

use std::path::Path;

use headwater_sim::network::{Network, may_make_hosts};

#[test]
fn hosts_reach_one_another() {
    if !may_make_hosts() {
        return;
    }
    let network = Network::new().unwrap();
    let one = network.host("one", &["10.1.0.1".parse().unwrap(), "fd00:1::1".parse().unwrap()]).unwrap();
    let two = network.host("two", &["10.2.0.1".parse().unwrap(), "fd00:2::1".parse().unwrap()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("components")).unwrap();
    std::fs::write(folder.path().join("components/file"), "content").unwrap();
    let _nginx = headwater_sim::mirror::nginx(&two, folder.path(), &folder.path().join("nginx")).unwrap();
    let fetched = |url: &str| {
        let mut curl = one.command(Path::new("curl"));
        let output = curl.args(["--silent", "--show-error", "--max-time", "2", url]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(fetched("http://10.2.0.1/components/file"), "content");
    assert_eq!(fetched("http://[fd00:2::1]/components/file"), "content");
    two.unplug().unwrap();
    assert_eq!(fetched("http://10.2.0.1/components/file"), "");
    two.plug().unwrap();
    assert_eq!(fetched("http://10.2.0.1/components/file"), "content");
}
