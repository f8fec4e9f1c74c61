//! Names that the reference programs have on the command line and in the environment: those that mean
//! the same here are translated, the others are answered with what replaces them.

use std::ffi::OsString;

/// A flag of a reference program.
#[derive(Debug)]
pub struct Flag {
    name: &'static str,
    short: Option<char>,
    takes_value: bool,
    meaning: Meaning,
}

#[derive(Debug)]
enum Meaning {
    /// Ours of this name means the same.
    Is(&'static str),
    /// There is none; what replaces it.
    Replaced(&'static str),
}

/// Ours of another name means the same.
pub const fn is(name: &'static str, short: Option<char>, ours: &'static str) -> Flag {
    Flag {
        name,
        short,
        takes_value: true,
        meaning: Meaning::Is(ours),
    }
}

/// Without a value, and without effect here; what replaces it.
pub const fn switch(name: &'static str, short: Option<char>, replaced: &'static str) -> Flag {
    Flag {
        name,
        short,
        takes_value: false,
        meaning: Meaning::Replaced(replaced),
    }
}

/// With a value, and without effect here; what replaces it.
pub const fn value(name: &'static str, short: Option<char>, replaced: &'static str) -> Flag {
    Flag {
        takes_value: true,
        ..switch(name, short, replaced)
    }
}

/// A command line in this program's own words.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// The arguments.
    pub args: Vec<OsString>,
    /// What was left out, with what replaces it.
    pub warnings: Vec<String>,
}

/// Translates a command line; `args[0]` is the program's name.
pub fn translate(flags: &'static [Flag], args: Vec<OsString>) -> Translated {
    let mut translated = Translated::default();
    let mut args = args.into_iter();
    translated.args.extend(args.next());
    while let Some(arg) = args.next() {
        if arg == "--" {
            translated.args.push(arg);
            translated.args.extend(args);
            break;
        }
        let Some((flag, value)) = arg.to_str().and_then(|arg| flag_of(flags, arg)) else {
            translated.args.push(arg);
            continue;
        };
        match flag.meaning {
            Meaning::Is(ours) => {
                let value = value.map_or(String::new(), |value| format!("={value}"));
                translated.args.push(format!("--{ours}{value}").into());
            }
            Meaning::Replaced(by) => {
                translated
                    .warnings
                    .push(format!("--{} has no effect: {by}", flag.name));
                if flag.takes_value && value.is_none() {
                    args.next();
                }
            }
        }
    }
    translated
}

/// What replaces the variables that are set.
pub fn variables(variables: &[(&str, &str)], is_set: impl Fn(&str) -> bool) -> Vec<String> {
    let set = variables.iter().filter(|(name, _)| is_set(name));
    set.map(|(name, by)| format!("the environment variable {name} has no effect: {by}"))
        .collect()
}

/// The reference's flag that this argument gives, and the value behind its `=`.
fn flag_of<'a>(flags: &'static [Flag], arg: &'a str) -> Option<(&'static Flag, Option<&'a str>)> {
    if let Some(long) = arg.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let flag = flags.iter().find(|flag| flag.name == name)?;
        return Some((flag, value));
    }
    let mut short = arg.strip_prefix('-')?.chars();
    let (letter, None) = (short.next()?, short.next()) else {
        return None;
    };
    let flag = flags.iter().find(|flag| flag.short == Some(letter))?;
    Some((flag, None))
}
