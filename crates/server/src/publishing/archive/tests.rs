//! What archives are refused, and why.

use std::io::{Seek, Write};

use headwater_policy::{Class, Repository};

use super::*;
use crate::publishing::failures::of_publisher;

const COMPONENTS: Repository = Repository::Class(Class::Components);

fn store_archive(file: File, store: &Store, limits: ContentLimits) -> Result<Vec<StoredFile>> {
    let archive = Archive { file, format: None, limits };
    archive.store(store).map_err(|error| of_publisher(COMPONENTS, error))
}

fn tar_bytes(files: &[(&str, usize)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, size) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(*size as u64);
        builder.append_data(&mut header, path, vec![7; *size].as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn tar_of(files: &[(&str, usize)]) -> File {
    file_of(&tar_bytes(files))
}

fn refused(archive: &[u8], reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    let limits = ContentLimits { files: 2, bytes: 1 << 30 };
    let error = store_archive(file_of(archive), &store, limits).unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_headers_of_an_entry_keep_to_their_limit() {
    let check = |kind: tar::EntryType, excess: usize| {
        let content = vec![b'a'; usize::try_from(TAR_HEADER_BYTES_MAX).unwrap() + excess];
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_path("long").unwrap();
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, content.as_slice()).unwrap();
        let mut archive = builder.into_inner().unwrap();
        archive.truncate(archive.len() - 1024);
        archive.extend(tar_bytes(&[("a", 1)]));
        refused(&gzip(&archive), "too long");
    };
    check(tar::EntryType::GNULongName, 0);
    check(tar::EntryType::GNULongLink, 1 << 20);
    check(tar::EntryType::XHeader, 1 << 20);
    check(tar::EntryType::XGlobalHeader, 1 << 20);
}

/// The size that an entry gives itself counts, before a byte of it is read.
#[test]
fn no_release_is_larger_than_any_may_be() {
    let check = |size: u64, reason: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_path("large").unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(size);
        header.set_cksum();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let archive = file_of(&[header.as_bytes().as_slice(), &[0; 512]].concat());
        let all = Archive::new(tempfile::tempfile().unwrap(), None).limits;
        let error = store_archive(archive, &store, all).unwrap_err();
        assert!(error.to_string().contains(reason), "{size}: {error}");
    };
    check(RELEASE_BYTES_MAX + 1, "the release is over the limit of 68719476736 bytes");
    check(RELEASE_BYTES_MAX, "it changed while it was read");
}

#[test]
fn folders_without_end_are_refused() {
    let mut builder = tar::Builder::new(Vec::new());
    for _ in 0..5 {
        builder.append_dir("folder", ".").unwrap();
    }
    refused(&builder.into_inner().unwrap(), "the number of files is over the limit of 2");
}

#[test]
fn an_archive_that_was_cut_or_damaged_is_refused() {
    let whole = tar_bytes(&[("a", 5), ("b", 5)]);
    refused(&whole[..1024], "it ends without the mark");
    refused(&whole[..2048], "it ends without the mark");
    refused(&whole[..1500], "it cannot be read");
    let mut damaged = gzip(&whole);
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    refused(&damaged, "it cannot be read");
    refused(&gzip(&whole)[..checksum], "it cannot be read");
}

#[test]
fn a_release_keeps_to_its_limits() {
    let check = |files: &[(&str, usize)], fits: bool| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let limits = ContentLimits { files: 2, bytes: 10 };
        let result = store_archive(tar_of(files), &store, limits);
        match result {
            Ok(_) => assert!(fits, "{files:?}"),
            Err(Error::Refused(Refusal::TooLarge { .. })) => assert!(!fits, "{files:?}"),
            Err(other) => panic!("{files:?}: {other}"),
        }
    };
    check(&[("a", 5), ("b", 5)], true);
    check(&[("a", 5), ("b", 6)], false);
    check(&[("a", 1), ("b", 1), ("c", 1)], false);
}

#[test]
fn a_class_keeps_to_its_quota() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Some(10)).unwrap();
    let limits = ContentLimits { files: 2, bytes: 1000 };
    let error = store_archive(tar_of(&[("a", 100)]), &store, limits).unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::Quota(COMPONENTS))), "{error}");
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn positions(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    (0..bytes.len() - wanted.len()).filter(|at| bytes[*at..].starts_with(wanted)).collect()
}

#[test]
fn a_name_that_is_twice_in_the_list_of_a_zip_is_refused() {
    let mut archive = zip_of(&[("rules", b"1"), ("ruled", b"2")]);
    for at in positions(&archive, b"ruled") {
        archive[at + 4] = b's';
    }
    refused(&archive, "rules: the name is in it twice");
}

/// Every entry of the list leads to the first one's bytes: a MiB that is counted once on the disk and 2 times in the release.
#[test]
fn entries_of_a_zip_that_share_their_bytes_are_refused() {
    let content = vec![0; 1 << 20];
    let mut archive = zip_of(&[("aaaa", &content), ("bbbb", &content)]);
    refused(&archive[..archive.len() - 22], "it cannot be read");
    let second = positions(&archive, b"PK\x01\x02")[1];
    archive[second + 42..second + 46].fill(0);
    refused(&archive, "share their bytes");
}

/// The size that a header gives is not what is decoded.
#[test]
fn what_comes_out_of_a_zip_counts_and_not_what_its_headers_declare() {
    let content = vec![0; 64 << 20];
    let mut archive = zip_of(&[("bomb", &content)]);
    let size = u32::try_from(content.len()).unwrap().to_le_bytes();
    for at in positions(&archive, &size) {
        archive[at..at + 4].copy_from_slice(&[1, 0, 0, 0]);
    }
    refused(&archive, "larger than its declared uncompressed size");
}

/// What is passed over is decoded, too.
#[test]
fn what_comes_out_of_a_tar_counts_also_where_it_is_no_file() {
    let padding = vec![0; 1_000_000];
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["one", "two", "three"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_path(name).unwrap();
        header.set_size(padding.len() as u64);
        header.set_cksum();
        builder.append(&header, padding.as_slice()).unwrap();
    }
    let mut archive = builder.into_inner().unwrap();
    archive.truncate(archive.len() - 1024);
    archive.extend(tar_bytes(&[("a", 1)]));
    let check = |archive: &[u8], bytes: u64, fits: bool| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let result = store_archive(file_of(archive), &store, ContentLimits { files: 2, bytes });
        match result {
            Ok(_) => assert!(fits, "{bytes}"),
            Err(Error::Refused(Refusal::TooLarge { .. })) => assert!(!fits, "{bytes}"),
            Err(other) => panic!("{bytes}: {other}"),
        }
    };
    check(&gzip(&archive), 100_000, false);
    check(&archive, 100_000, false);
    check(&gzip(&archive), 2 << 20, true);
    // After the mark that ends it.
    let mut behind = tar_bytes(&[("a", 1)]);
    behind.resize(behind.len() + (16 << 20), 0);
    check(&gzip(&behind), 1 << 20, false);
}

#[test]
fn the_list_of_a_zip_keeps_to_its_limit() {
    let name = "n".repeat(60_000);
    let count = usize::try_from(ZIP_DIRECTORY_BYTES_MAX).unwrap() / name.len() + 1;
    let names: Vec<String> = (0..count).map(|number| format!("{name}{number}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    refused(&zip_of(&files), "the number of files is over the limit");
}
