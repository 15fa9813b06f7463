//! The list of promises: `section place | subject | tests`, a line each. `*` in the name of a test stands for the
//! backend; a name without it is a test of what all backends share.

pub(crate) struct Promise {
    /// `§1 row 13`, by BEHAVIOUR's own numbering.
    pub(crate) place: String,
    pub(crate) subject: String,
    /// Names of tests, or `binary/name`. None: not there yet, and the page says so.
    pub(crate) tests: Vec<String>,
}

pub(crate) fn parse(text: &str) -> Result<Vec<Promise>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let mut promises = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [place, subject, tests] = fields[..] else {
            return Err(format!("promises.txt: not `place | subject | tests`: {line}"));
        };
        let tests = tests.split_whitespace().filter(|name| *name != "-").map(str::to_owned).collect();
        promises.push(Promise { place: place.to_owned(), subject: subject.to_owned(), tests });
    }
    Ok(promises)
}
