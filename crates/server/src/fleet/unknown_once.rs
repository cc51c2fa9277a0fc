//! Unknown clients, each id once, whatever keys were shown under it. Pure.

use headwater_api::v1::UnknownClientView;

/// One line for each id, of rows for each id and key, the newest request first. It is that of a key that was proven, else
/// of the newest key.
pub(super) fn once_each(rows: Vec<UnknownClientView>) -> Vec<UnknownClientView> {
    let mut clients: Vec<UnknownClientView> = Vec::new();
    for row in rows {
        match clients.iter_mut().find(|known| known.client == row.client) {
            Some(known) => *known = merged(known.clone(), row),
            None => clients.push(row),
        }
    }
    clients
}

/// Two lines of one id as one; `older` is not newer than `newer`.
fn merged(newer: UnknownClientView, older: UnknownClientView) -> UnknownClientView {
    let (first_seen, last_seen) =
        (newer.first_seen.min(older.first_seen), newer.last_seen.max(older.last_seen));
    let count = newer.count.saturating_add(older.count);
    let rank = |view: &UnknownClientView| (view.proven, !view.key.is_empty());
    let (mut shown, mut other) = if rank(&older) > rank(&newer) { (older, newer) } else { (newer, older) };
    shown.other_keys.append(&mut other.other_keys);
    shown.other_keys.extend(Some(other.key).filter(|key| !key.is_empty()));
    UnknownClientView { count, first_seen, last_seen, ..shown }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn an_id_is_listed_once_with_the_key_that_counts() {
        let row = |client: &str, key: &str, proven: bool, second: i64| UnknownClientView {
            client: client.to_owned(),
            key: key.to_owned(),
            reason: "unknown".to_owned(),
            proven,
            address: format!("10.0.0.{second}"),
            count: 2,
            other_keys: Vec::new(),
            first_seen: Timestamp::from_second(second - 1).unwrap(),
            last_seen: Timestamp::from_second(second).unwrap(),
        };
        let rows = vec![
            row("pc", "", false, 9),
            row("other", "x", false, 8),
            row("pc", "a", false, 7),
            row("pc", "b", true, 6),
            row("pc", "c", true, 5),
        ];
        let found = once_each(rows);
        let shown: Vec<_> = found
            .iter()
            .map(|it| (it.client.as_str(), it.key.as_str(), it.other_keys.join(" "), it.count))
            .collect();
        assert_eq!(shown, [("pc", "b", "a c".to_owned(), 8), ("other", "x", String::new(), 2)]);
        assert_eq!((found[0].first_seen.as_second(), found[0].last_seen.as_second()), (4, 9));
        assert_eq!(once_each(Vec::new()), []);
    }
}
