//! The reference server's names on the command line and in the environment: those that mean the same
//! here are translated, the others are answered with what replaces them.

use std::ffi::OsString;

use shared::cli::reference::{self, Flag, Translated, is, switch, value};

const FOLLOWS_CHAIN: &str = "this node follows the chain itself: give --api-url";
const ALWAYS_ON: &str = "replication is always on: what a bucket owes is fetched as soon as the chain or a peer names it";
const FETCHES: &str = "limits of fetches are in [replicate], see `config print`";
const CLEANS: &str =
    "give cleanup.mode; see [cleanup] in `config print` and `colossus cleanup plan`";
const OWN_DIRS: &str = "unfinished and pending objects lie in the data directory";
const LOGS: &str = "log lines go to stderr (JSON unless on a terminal): let the service manager or a collector keep them; see [log]";
const KEYS: &str =
    "give the transactor's secret URI (a mnemonic or seed) in a file: keys.transactor_uri_file";

/// `--worker`, `--buckets` and `--port` have the same names here.
const FLAGS: [Flag; 29] = [
    is("uploads", Some('d'), "data-dir"),
    is("port", Some('o'), "port"),
    is("apiUrl", Some('u'), "api-url"),
    is("accountUri", Some('y'), "account-uri"),
    value("tempFolder", None, OWN_DIRS),
    value("pendingFolder", None, OWN_DIRS),
    switch("sync", Some('s'), ALWAYS_ON),
    value("syncInterval", Some('i'), ALWAYS_ON),
    value("syncRetryInterval", None, ALWAYS_ON),
    value("syncBatchSize", None, ALWAYS_ON),
    value("syncWorkersNumber", Some('r'), FETCHES),
    value("syncWorkersTimeout", Some('t'), FETCHES),
    switch("cleanup", Some('c'), CLEANS),
    value("cleanupInterval", None, CLEANS),
    value("storageSquidEndpoint", Some('q'), FOLLOWS_CHAIN),
    value("queryNodeEndpoint", None, FOLLOWS_CHAIN),
    value(
        "maxBatchTxSize",
        None,
        "batches of acceptances are limited by [accept], see `config print`",
    ),
    value("keyFile", Some('k'), KEYS),
    value("keyStore", None, KEYS),
    value("password", Some('p'), KEYS),
    switch(
        "dev",
        Some('m'),
        "for development keys give --account-uri, as in //Alice",
    ),
    value("elasticSearchEndpoint", Some('e'), LOGS),
    value("elasticSearchIndexPrefix", None, LOGS),
    value("elasticSearchUser", None, LOGS),
    value("elasticSearchPassword", None, LOGS),
    value("logFilePath", Some('l'), LOGS),
    value("logMaxFileNumber", Some('n'), LOGS),
    value("logMaxFileSize", Some('x'), LOGS),
    value("logFileChangeFrequency", Some('z'), LOGS),
];

/// Variables of the reference that are not read here. `ACCOUNT_URI` is.
const VARIABLES: [(&str, &str); 10] = [
    ("ACCOUNT_PWD", KEYS),
    ("CLEANUP", CLEANS),
    ("CLEANUP_INTERVAL", CLEANS),
    (
        "CLEANUP_MIN_REPLICATION_THRESHOLD",
        "give cleanup.holders_min",
    ),
    ("CLEANUP_NEW_OBJECT_EXPIRATION_PERIOD", CLEANS),
    ("ELASTIC_ENDPOINT", LOGS),
    ("ELASTIC_INDEX_PREFIX", LOGS),
    ("ELASTIC_USER", LOGS),
    ("ELASTIC_PASSWORD", LOGS),
    (
        "ELASTIC_LOG_LEVEL",
        "give RUST_LOG or log.filter, as in info,colossus=debug",
    ),
];

/// Translates a command line; `args[0]` is the program's name.
pub fn translate(args: Vec<OsString>) -> Translated {
    reference::translate(&FLAGS, args)
}

/// What replaces the variables that are set.
pub fn variables(is_set: impl Fn(&str) -> bool) -> Vec<String> {
    reference::variables(&VARIABLES, is_set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> (String, Vec<String>) {
        let args = line.split(' ').map(OsString::from).collect();
        let Translated { args, warnings } = translate(args);
        let args: Vec<_> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
        (args.join(" "), warnings)
    }

    #[test]
    fn an_operators_command_line_is_understood() {
        let (line, warnings) = translated(
            "colossus server --worker 3 --buckets 1,4 -o 4000 --uploads=/data --apiUrl ws://c:1 \
             --sync --syncInterval 20 --storageSquidEndpoint=http://q/graphql -c -y //A --keyFile k.json",
        );
        assert_eq!(
            line,
            "colossus server --worker 3 --buckets 1,4 --port 4000 --data-dir=/data \
             --api-url ws://c:1 --account-uri //A"
        );
        let names: Vec<_> = warnings
            .iter()
            .filter_map(|w| w.split(' ').next())
            .collect();
        assert_eq!(
            names,
            [
                "--sync",
                "--syncInterval",
                "--storageSquidEndpoint",
                "--cleanup",
                "--keyFile"
            ]
        );
        assert!(warnings[2].contains("follows the chain itself"));
    }

    #[test]
    fn our_own_words_pass() {
        for line in [
            "colossus config print --origins",
            "colossus -w 1 check",
            "colossus adopt -- --sync",
        ] {
            assert_eq!(translated(line), (line.to_owned(), vec![]));
        }
    }

    #[test]
    fn only_variables_that_are_set_are_spoken_of() {
        assert!(variables(|_| false).is_empty());
        let told = variables(|name| name == "CLEANUP_INTERVAL");
        assert!(
            told[0].contains("CLEANUP_INTERVAL") && told.len() == 1,
            "{told:?}"
        );
    }
}
