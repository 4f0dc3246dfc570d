//! What does a scenario file mean, or what is wrong with it?

use super::document::{Item, Reader, Section, quoted};
use super::problem::{BadScenario, near, printable};
use super::{
    Budget, Condition, Contender, LogChoice, Scenario, check, contenders, expect, ingest, keys,
    matrix, pressure, words,
};
use crate::log::kafka::{Codec, MessageSize, Spec};
use toml::de::DeTable;
use zclab_strategies::Family;

/// A file that makes more cells than this is refused.
pub const CELLS_MAX: usize = 10_000;

/// A question is no longer than this, so that it fits a heading.
const QUESTION_CHARS_MAX: usize = 300;

/// The name of an imported log is no longer than this.
const LOG_NAME_CHARS_MAX: usize = 64;

/// Reads a scenario file's text. `name` is what the scenario is called, `file` what problems call
/// the file.
///
/// # Errors
/// All that is wrong with the file, each problem with its line, its key, and what was expected.
pub fn parse(name: &str, file: &str, text: &str) -> Result<Scenario, BadScenario> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(file, text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let why = printable(error.message(), 200);
        reader.note("", &span, format!("not TOML: {why}"));
    }
    // What a parser recovers from broken text would only raise problems that are none.
    if !reader.is_content() {
        return Err(reader.into_problems());
    }
    match read(&mut reader, &Section::root(&document), name, text) {
        Some(scenario) if reader.is_content() => Ok(scenario),
        _ => Err(reader.into_problems()),
    }
}

/// Reads a scenario file's bytes, as [`parse`] does.
///
/// # Errors
/// As [`parse`]; and where the bytes are no UTF-8, the place of the first that is not.
pub fn parse_bytes(name: &str, file: &str, bytes: &[u8]) -> Result<Scenario, BadScenario> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(name, file, text),
        Err(error) => {
            let valid = error.valid_up_to();
            // The text up to the bad byte locates it; nothing behind it can be shown.
            let text = String::from_utf8_lossy(&bytes[..valid]);
            let mut reader = Reader::new(file, &text);
            let what = format!("byte {valid} of the file is no UTF-8");
            reader.note("", &(valid..valid), what).expected = "a text in UTF-8".to_owned();
            Err(reader.into_problems())
        }
    }
}

fn read<'a>(
    reader: &mut Reader<'a>,
    root: &Section<'a>,
    name: &str,
    source: &str,
) -> Option<Scenario> {
    let top = [keys::of(""), keys::TABLES.to_vec()].concat();
    reader.only(root, &top);
    let question = reader.required(root, &keys::QUESTION).and_then(|item| question(reader, &item));
    let analysis = root.get("analysis").map(|item| reader.text(&keys::ANALYSIS, &item));
    let before = reader.count();
    let contenders = match reader.required(root, &keys::STRATEGIES) {
        Some(item) => contenders::read(reader, &item),
        None => Vec::new(),
    };
    // A contender that could not be read may be the baseline: that would be no second problem.
    let all_read = reader.count() == before;
    let baseline = baseline(reader, root, all_read.then_some(&contenders));
    let tables = Tables {
        log: table(reader, root, "log"),
        matrix: table(reader, root, "matrix"),
        budget: table(reader, root, "budget"),
        pressure: root.get("pressure").and_then(|item| reader.section(&item)),
    };
    let log = read_log(reader, &tables.log);
    let matrix = matrix::read(reader, &tables.matrix);
    let budget = read_budget(reader, &tables.budget);
    let pressure = pressure::read(reader, tables.pressure.as_ref());
    if let Some(pressure) = &pressure {
        pressure::check(reader, &tables, pressure, &log, &matrix);
    }
    check::consistency(reader, &tables, &log, &matrix, &budget);
    let family = contenders.first().map_or(Family::Transfer, |first| first.strategy.family());
    if all_read {
        ingest::keys_of_family(reader, &tables, &matrix, family);
    }
    let labels = || contenders.iter().map(|contender| contender.label.as_str()).collect();
    let about = expect::About { labels: all_read.then(labels), matrix: &matrix, family };
    let expect = expect::read(reader, root, &about);
    let cells = matrix.points().saturating_mul(contenders.len());
    if cells > CELLS_MAX {
        let what = format!(
            "{} conditions and {} contenders make {cells} cells",
            matrix.points(),
            contenders.len()
        );
        reader.note("matrix", &tables.matrix.span, what).expected =
            format!("no more than {CELLS_MAX} cells: fewer values, or several files");
    }
    // Conditions are made only once their number is known to be sane.
    if !reader.is_content() {
        return None;
    }
    let mut base = matrix::base(log, family);
    if pressure.is_some() {
        base = Condition { cache: pressure::CACHE, pressure, ..base };
    }
    Some(Scenario {
        name: name.to_owned(),
        question: question?.to_owned(),
        analysis: analysis.flatten().unwrap_or("").trim().to_owned(),
        baseline: baseline?,
        contenders,
        axes: matrix.axes(),
        conditions: matrix.conditions(base),
        budget,
        expect,
        source: source.to_owned(),
    })
}

/// The tables of a file.
pub(super) struct Tables<'a> {
    pub log: Section<'a>,
    pub matrix: Section<'a>,
    pub budget: Section<'a>,
    pub pressure: Option<Section<'a>>,
}

fn table<'a>(reader: &mut Reader<'a>, root: &Section<'a>, name: &str) -> Section<'a> {
    let found = root.get(name).and_then(|item| reader.section(&item));
    found.unwrap_or_else(|| Section::absent(name))
}

fn question<'a>(reader: &mut Reader<'a>, item: &Item<'a>) -> Option<&'a str> {
    let text = reader.text(&keys::QUESTION, item)?.trim();
    let what = if text.is_empty() {
        "the question is empty".to_owned()
    } else if text.chars().any(char::is_control) {
        "the question spans lines or holds control characters".to_owned()
    } else if text.chars().count() > QUESTION_CHARS_MAX {
        format!("the question is longer than {QUESTION_CHARS_MAX} characters")
    } else {
        return Some(text);
    };
    reader.note(&item.path, &item.span, what).expected = "one sentence on one line".to_owned();
    None
}

fn baseline<'a>(
    reader: &mut Reader<'a>,
    root: &Section<'a>,
    contenders: Option<&Vec<Contender>>,
) -> Option<String> {
    let item = reader.required(root, &keys::BASELINE)?;
    let label = reader.text(&keys::BASELINE, &item)?;
    let Some(contenders) = contenders else { return Some(label.to_owned()) };
    let labels: Vec<&str> = contenders.iter().map(|contender| contender.label.as_str()).collect();
    if labels.contains(&label) {
        return Some(label.to_owned());
    }
    let what = format!("{} is the label of no contender", quoted(label));
    let note = reader.note(&item.path, &item.span, what);
    note.near = near(label, labels.iter().copied());
    note.expected = format!("one of {}", labels.join(", "));
    None
}

fn read_log<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> LogChoice {
    reader.only(section, &keys::of("log"));
    if let Some(item) = section.get("import") {
        for (name, other, key_span) in section.entries() {
            if name != "import" && keys::of("log").contains(&name) {
                let what = "an imported log is as it is: this key has no meaning beside `import`";
                reader.note(&other.path, &key_span, what);
            }
        }
        return LogChoice::Imported(imported(reader, &item).unwrap_or_default());
    }
    if let Some(item) = section.get("format") {
        reader.word(&keys::FORMAT, &item);
    }
    let codec = section
        .get("codec")
        .and_then(|item| reader.word(&keys::CODEC, &item))
        .and_then(|word| words::find(words::CODECS, word));
    let mut number = |key: &keys::Key| {
        let given = section.get(key.name).and_then(|item| reader.number(key, &item));
        given.unwrap_or_else(|| key.values.default_number())
    };
    LogChoice::Kafka(Spec {
        total_bytes: number(&keys::SIZE),
        message: MessageSize::Fixed(1024),
        key_bytes: to32(number(&keys::KEY)),
        headers: to32(number(&keys::HEADERS)),
        batch_bytes: to32(number(&keys::BATCH)),
        codec: codec.unwrap_or(Codec::None),
        segment_bytes: number(&keys::SEGMENT),
        seed: number(&keys::SEED),
    })
}

/// For numbers whose keys keep them within 32 bits.
fn to32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn imported<'a>(reader: &mut Reader<'a>, item: &Item<'a>) -> Option<String> {
    let name = reader.text(&keys::IMPORT, item)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > LOG_NAME_CHARS_MAX || !name.chars().all(is_plain) {
        let what = format!("{} is no name of a log", quoted(name));
        reader.note(&item.path, &item.span, what).expected =
            format!("1 to {LOG_NAME_CHARS_MAX} letters, digits, dots, dashes and underscores");
        return None;
    }
    Some(name.to_owned())
}

fn read_budget<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Budget {
    reader.only(section, &keys::of("budget"));
    let mut number = |key: &keys::Key| {
        let given = section.get(key.name).and_then(|item| reader.number(key, &item));
        given.unwrap_or_else(|| key.values.default_number())
    };
    Budget {
        launches: to32(number(&keys::LAUNCHES)),
        turns: to32(number(&keys::TURNS)),
        slice_bytes: number(&keys::SLICE),
        fetches_max: to32(number(&keys::FETCHES_MAX)),
    }
}
