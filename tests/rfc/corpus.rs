//! The table as a seed of the fuzz targets: what each row sends is a file in `fuzz/corpus/requests`, which
//! the tests of `tests/corpus` replay. `TRIJET_CORPUS=write` writes them anew.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use crate::row::{Row, Step};

/// What is longer is long for a limit's sake, and longer than the inputs that the fuzz targets make.
const BYTES_MAX: usize = 4096;

/// The files that are not what the table says, or have no row. None where there is no corpus, as in a
/// published package.
pub(crate) fn faults(subjects: &[(&str, Vec<Row>)]) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/requests");
    if !folder.is_dir() {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let mut rows = BTreeMap::new();
    for (subject, row) in
        subjects.iter().flat_map(|(subject, rows)| rows.iter().map(move |row| (subject, row)))
    {
        let bytes = sent(row);
        if bytes.len() <= BYTES_MAX && rows.insert(name(subject, row), bytes).is_some() {
            faults.push(format!("{}: another row's file has the same name", row.name));
        }
    }
    let files = files(&folder);
    if env::var("TRIJET_CORPUS").is_ok_and(|what| what == "write") {
        files.keys().for_each(|name| fs::remove_file(folder.join(name)).expect("a file"));
        rows.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).expect("a file"));
        return faults;
    }
    let lacking = rows.iter().filter(|(name, bytes)| files.get(*name) != Some(bytes)).map(|(name, _)| name);
    let left_over = files.keys().filter(|name| !rows.contains_key(*name));
    faults.extend(lacking.chain(left_over).map(|name| {
        format!("fuzz/corpus/requests/{name} is not the table's: TRIJET_CORPUS=write writes it")
    }));
    faults
}

/// Everything that the client sends, in one piece.
fn sent(row: &Row) -> Vec<u8> {
    let pieces = row.steps.iter().map(|step| match step {
        Step::Send(bytes) => &bytes[..],
        Step::Await(_) | Step::HalfClose => &[],
    });
    pieces.collect::<Vec<_>>().concat()
}

/// `rfc-chunked-size-with-a-plus`.
fn name(subject: &str, row: &Row) -> String {
    let words = row.name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<_> = ["rfc", subject].into_iter().chain(words).collect();
    words.join("-").to_ascii_lowercase()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("a file"));
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    named
        .filter(|(name, _)| name.starts_with("rfc-"))
        .map(|(name, path)| (name, fs::read(path).expect("a file")))
        .collect()
}
