//! Codes of the two databases for faults that an operator must know of.

/// SQLite's primary result codes for a disk that is full or refuses (SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN).
const SQLITE_DISK: [u32; 3] = [10, 13, 14];

/// SQLite's primary result codes for a file that is damaged or no database (SQLITE_CORRUPT, SQLITE_NOTADB).
const SQLITE_DAMAGED: [u32; 2] = [11, 26];

/// PostgreSQL's for a disk that is full or refuses (disk_full, io_error).
const POSTGRES_DISK: [&str; 2] = ["53100", "58030"];

/// PostgreSQL's for damage (data_corrupted, index_corrupted).
const POSTGRES_DAMAGED: [&str; 2] = ["XX001", "XX002"];

/// Whether a code means that the disk is full or refuses.
pub(crate) fn is_disk_full(code: &str) -> bool {
    has_code(code, &SQLITE_DISK, &POSTGRES_DISK)
}

/// Whether a code means that the database is damaged.
pub(crate) fn is_damaged(code: &str) -> bool {
    has_code(code, &SQLITE_DAMAGED, &POSTGRES_DAMAGED)
}

/// PostgreSQL's codes have five letters and digits; SQLite's are numbers of at most four.
fn has_code(code: &str, sqlite: &[u32], postgres: &[&str]) -> bool {
    match code.len() {
        5 => postgres.contains(&code),
        _ => code.parse::<u32>().is_ok_and(|code| sqlite.contains(&(code & 0xff))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_one_database_are_not_taken_for_those_of_the_other() {
        // SQLITE_IOERR_WRITE; and a code of PostgreSQL whose last byte as a number is SQLite's for a full disk.
        assert!(is_disk_full("778") && is_disk_full("53100") && !is_disk_full("22029"));
        assert!(is_damaged("11") && is_damaged("XX001") && !is_damaged("22027"));
    }
}
