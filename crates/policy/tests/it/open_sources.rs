//! Where a client whose key was revoked goes on reading.

use headwater_policy::open_sources;

use crate::story;

#[test]
fn urls_of_the_list_are_open_and_the_server_is_not() {
    let read = story::read(
        "vendor https://vendor.example/
         agent ua 10.0.0.5
         entry 10.0.0.0-10.0.0.9 -> ua
         entry 10.0.0.0-10.0.0.9 -> http://m.example/
         entry 10.9.0.0-10.9.0.9 -> http://other.example/ components
         entry 10.9.0.0-10.9.0.9 -> http://m.example:80
         entry 10.0.0.0-10.0.0.9 -> https://hq.example:8471
         entry 10.0.0.0-10.0.0.9 -> vendor",
    );
    let policy = read.draft.into_policy().unwrap();
    let found = |address: &str| -> Vec<String> {
        let sources = open_sources(&policy, &[address.parse().unwrap()]);
        sources.iter().map(|open| format!("{} {:?} {}", open.url, open.entries, open.is_selected)).collect()
    };
    assert_eq!(found("10.0.0.1"), ["http://m.example [2, 4] true", "http://other.example [3] false"]);
    assert_eq!(found("::ffff:10.9.0.1"), ["http://m.example [2, 4] true", "http://other.example [3] true"]);
    assert_eq!(found("10.7.0.1"), ["http://m.example [2, 4] false", "http://other.example [3] false"]);
}
