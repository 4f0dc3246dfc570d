//! Every kind of mistake is refused with its line, its key, what was expected and a near match.

use crate::HEAD;
use zclab::scenario::{Condition, Problem, parse, parse_bytes};

/// The only problem of a file.
fn problem(text: &str) -> Problem {
    let mut problems = problems(text);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.remove(0)
}

fn problems(text: &str) -> Vec<Problem> {
    match parse("test", "test.toml", text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(bad) => bad.problems,
    }
}

/// Checks key, line (behind the three of the head), and that the message holds all the words.
fn check(rest: &str, key: &str, line: usize, words: &[&str]) {
    let text = format!("{HEAD}{rest}");
    let problem = problem(&text);
    let message = problem.to_string();
    assert_eq!(problem.key, key, "{message}");
    assert_eq!(problem.place.as_ref().map_or(0, |spot| spot.line), 3 + line, "{message}");
    let quoted = text.lines().nth(2 + line).unwrap_or_default();
    assert!(message.contains(quoted), "{message}\nlacks the line {quoted}");
    for word in words {
        assert!(message.contains(word), "{message}\nlacks {word}");
    }
}

#[test]
fn the_whole_message_is_readable() {
    let text = format!("{HEAD}[matrix]\nconsumer = 3\nfetch = \"64 KB/s\"\n");
    let bad = parse("test", "a/test.toml", &text).expect_err("two problems");
    assert_eq!(
        bad.to_string(),
        "\
a/test.toml:5:1: matrix.consumer: unknown key; did you mean `consumers`?
     5 | consumer = 3
       | ^^^^^^^^
       = expected one of message, fetch, header, consumers, filesystem, access, cache, sink, \
receiver, wait, transform, socket_buffer, scatter_gather, checksum, segmentation, mtu, bandwidth, \
driver, slow, slow_rate, rate, arrivals, append_rate, source, feed, fsync, readers, senders, \
canary
a/test.toml:6:9: matrix.fetch: \"64 KB/s\": \"KB/s\" is no unit of size (B, kB, MB, GB, TB, KiB, \
MiB, GiB, TiB)
     6 | fetch = \"64 KB/s\"
       |         ^^^^^^^^^
       = expected bytes from 1 B to 1 GiB, as in \"64 KiB\" or 65536"
    );
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    check("[matrixx]\n", "matrixx", 1, &["unknown key", "did you mean `matrix`?"]);
    check("[log]\nsegments = 1\n", "log.segments", 2, &["did you mean `segment`?"]);
    check("[matrix]\ncahce = \"warm\"\n", "matrix.cahce", 2, &["did you mean `cache`?"]);
    check("[budget]\nlaunch = 1\n", "budget.launch", 2, &["did you mean `launches`?"]);
    check("[budget]\nzzz = 1\n", "budget.zzz", 2, &["expected one of launches, turns"]);
    check(
        "[matrix]\nmessage = { uniform = { min = 1, max = 2, mix = 3 } }\n",
        "matrix.message.uniform.mix",
        2,
        &["unknown key", "expected one of min, max"],
    );
    check(
        "[matrix]\nmessage = { normal = { } }\n",
        "matrix.message.normal",
        2,
        &["did you mean `lognormal`?"],
    );
    check(
        "[matrix]\naccess = [{ zipf = 1.1, seed = 2 }]\n",
        "matrix.access[1].seed",
        2,
        &["expected `zipf`"],
    );
    check("[matrix]\ncache = { partial = 0.5, x = 1 }\n", "matrix.cache.x", 2, &["`partial`"]);
}

#[test]
fn wrong_types_are_refused() {
    check("matrix = 3\n", "matrix", 1, &["a whole number is no table"]);
    check("[log]\nformat = 3\n", "log.format", 2, &["is no text"]);
    check("[log]\ncodec = true\n", "log.codec", 2, &["a truth value is no text", "lz4"]);
    check("[log]\nsize = [1]\n", "log.size", 2, &["an array is no whole number"]);
    check("[matrix]\nfetch = 1.5\n", "matrix.fetch", 2, &["a fraction is no whole number"]);
    check("[matrix]\nconsumers = \"3\"\n", "matrix.consumers", 2, &["a text is no whole number"]);
    check("[matrix]\nfetch = [1, [2]]\n", "matrix.fetch[2]", 2, &["an array is no whole number"]);
    check("[matrix]\naccess = 1\n", "matrix.access", 2, &["neither a word nor a table"]);
    check(
        "[matrix]\ncache = { partial = \"half\" }\n",
        "matrix.cache.partial",
        2,
        &["a number above"],
    );
    check("[matrix]\nmessage = {}\n", "matrix.message", 2, &["0 laws"]);
    check("[matrix]\nmessage = { zipf = 3 }\n", "matrix.message.zipf", 2, &["is no table"]);
    check("analysis = 3\n", "analysis", 1, &["is no text"]);
}

#[test]
fn values_out_of_bounds_are_refused() {
    check("[matrix]\nfetch = 0\n", "matrix.fetch", 2, &["0 is too small", "from 1 B to 1 GiB"]);
    check("[matrix]\nfetch = \"2 GiB\"\n", "matrix.fetch", 2, &["too great"]);
    check("[matrix]\nfetch = -1\n", "matrix.fetch", 2, &["-1 is negative"]);
    check("[matrix]\nfetch = 99999999999999999999\n", "matrix.fetch", 2, &["exceeds 2^64 - 1"]);
    check("[matrix]\nfetch = \"99999999999 GiB\"\n", "matrix.fetch", 2, &["exceeds 2^64 - 1"]);
    check("[matrix]\nconsumers = [1, 0]\n", "matrix.consumers[2]", 2, &["from 1 to 20000"]);
    check("[matrix]\naccess = { zipf = 0 }\n", "matrix.access.zipf", 2, &["above 0"]);
    check(
        "[matrix]\naccess = { zipf = nan }\n",
        "matrix.access.zipf",
        2,
        &["nan is out of bounds"],
    );
    check(
        "[matrix]\naccess = { zipf = inf }\n",
        "matrix.access.zipf",
        2,
        &["inf is out of bounds"],
    );
    check("[matrix]\ncache = { partial = 1.0 }\n", "matrix.cache.partial", 2, &["below 1"]);
    check("[budget]\nlaunches = 0\n", "budget.launches", 2, &["too small"]);
    check("[log]\nsize = \"1 B\"\n", "log.size", 2, &["too small", "4 KiB"]);
    check("[log]\nsegment = \"2 GiB\"\n", "log.segment", 2, &["too great"]);
    check("[log]\nseed = -3\n", "log.seed", 2, &["negative"]);
}

#[test]
fn unknown_words_are_refused() {
    check("[log]\ncodec = \"lz5\"\n", "log.codec", 2, &["did you mean `lz4`?", "one of none"]);
    check("[log]\nformat = \"kafak\"\n", "log.format", 2, &["did you mean `kafka`?"]);
    check(
        "[matrix]\nsink = \"tcp-loopbak\"\n",
        "matrix.sink",
        2,
        &["did you mean `tcp-loopback`?"],
    );
    check("[matrix]\nmtu = 100\n", "matrix.mtu", 2, &["576 B", "65535 B"]);
    check("[matrix]\nchecksum = true\n", "matrix.checksum", 2, &["on, off"]);
    check("[matrix]\nscater_gather = \"on\"\n", "matrix.scater_gather", 2, &["`scatter_gather`?"]);
    check("[matrix]\nsink = \"veth\"\n", "matrix.sink", 2, &["expected one of", "tcp-veth"]);
    check("[matrix]\nsink = \"tcp-vet\"\n", "matrix.sink", 2, &["did you mean `tcp-veth`?"]);
    check("[matrix]\naccess = \"randon\"\n", "matrix.access", 2, &["did you mean `random`?"]);
    check("[matrix]\ncache = \"hot\"\n", "matrix.cache", 2, &["\"hot\" is unknown", "\"warm\""]);
    check("[matrix]\nreceiver = \"drop\"\n", "matrix.receiver", 2, &["one of copy, discard"]);
    check("[matrix]\ntransform = \"gzip\"\n", "matrix.transform", 2, &["one of none, crc32c"]);
    check("[log]\nimport = \"../etc\"\n", "log.import", 2, &["no name of a log"]);
}

#[test]
fn empty_arrays_and_duplicates_are_refused() {
    check("[matrix]\nfetch = []\n", "matrix.fetch", 2, &["the array is empty"]);
    check(
        "[matrix]\nfetch = [\"1 KiB\", 2, 1024]\n",
        "matrix.fetch[3]",
        2,
        &["1024 is listed twice"],
    );
    check(
        "[matrix]\ncache = [\"partial\", { partial = 0.5 }]\n",
        "matrix.cache[2]",
        2,
        &["listed twice"],
    );
}

#[test]
fn what_cannot_be_is_refused() {
    check(
        "[log]\nsize = \"1 MiB\"\nsegment = \"1 MiB\"\n[matrix]\nfetch = [1, \"2 MiB\"]\n",
        "matrix.fetch",
        5,
        &["a fetch of 2 MiB exceeds the log of 1 MiB"],
    );
    check("[log]\nsize = \"40 KiB\"\n", "matrix.fetch", 2, &["a fetch of 64 KiB exceeds"]);
    check("[log]\nsegment = \"64 KiB\"\n", "log.segment", 2, &["4096 segments", "more than 512"]);
    check(
        "[log]\nsize = \"1 MiB\"\nsegment = \"1 MiB\"\n[matrix]\nmessage = \"1 MiB\"\n",
        "matrix.message",
        5,
        &["a batch may take"],
    );
    check(
        "[log]\nsize = \"1 MiB\"\n[matrix]\ncache = \"cold\"\n",
        "budget.slice",
        4,
        &["a cold round of 16 MiB would read the log of 1 MiB more than once"],
    );
    check(
        "[matrix]\nmessage = { uniform = { min = 3, max = 2 } }\n",
        "matrix.message.uniform",
        2,
        &["min (3) is greater than max (2)"],
    );
    check("[log]\nimport = \"a\"\nsize = 4096\n", "log.size", 3, &["beside `import`"]);
    check(
        "[log]\nimport = \"a\"\n[matrix]\nmessage = 3\n",
        "matrix.message",
        4,
        &["messages of its own"],
    );
}

#[test]
fn too_many_cells_are_refused_before_they_are_made() {
    let numbers: Vec<String> = (1..=1024).map(|n| n.to_string()).collect();
    let list = numbers.join(", ");
    check(
        &format!("[matrix]\nfetch = [{list}]\nconsumers = [{list}]\nheader = [{list}]\n"),
        "matrix",
        1,
        &["2147483648 cells", "no more than 10000"],
    );
}

#[test]
fn strategies_and_options_are_checked() {
    let check = |strategies: &str, key: &str, words: &[&str]| {
        let text = format!("question = \"Why?\"\nbaseline = \"null\"\nstrategies = {strategies}\n");
        let problem = problem(&text);
        let message = problem.to_string();
        assert_eq!(problem.key, key, "{message}");
        for word in words {
            assert!(message.contains(word), "{message}\nlacks {word}");
        }
    };
    check("[\"null\", \"read-wrote\"]", "strategies[2]", &["did you mean `read-write`?"]);
    check("[\"null\", \"bare:null\"]", "strategies[2]", &["bare: and one of read-write"]);
    check("[\"null\", \"null\"]", "strategies[2]", &["\"null\" is listed twice"]);
    check("[]", "strategies", &["the array is empty"]);
    check("\"null\"", "strategies", &["\"all\", \"ingest\", \"receive\", or an array"]);
    check("3", "strategies", &["a whole number is no list"]);
    check("[\"null\", 3]", "strategies[2]", &["is no strategy"]);
    check("[\"null\", { buffer = 3 }]", "strategies[2].strategy", &["the key is missing"]);
    check(
        "[{ strategy = \"null\", buffer = 3 }]",
        "strategies[1].buffer",
        &["null has no option of this name", "no options"],
    );
    check(
        "[\"null\", { strategy = \"read-write\", bufer = 3 }]",
        "strategies[2].bufer",
        &["did you mean `buffer`?"],
    );
    check(
        "[\"null\", { strategy = \"read-write\", buffer = [1, 0] }]",
        "strategies[2].buffer[2]",
        &["a whole number from 1 to"],
    );
    check(
        "[\"null\", { strategy = \"read-write\", buffer = 1.5 }]",
        "strategies[2].buffer",
        &["a fraction is no whole number", "bytes of the user buffer"],
    );
    // The baseline is not called wrong as well where its contender could not be read.
    check("[\"nul\"]", "strategies[1]", &["did you mean `null`?"]);
    check("[\"read-write\"]", "baseline", &["label of no contender", "one of read-write"]);
}

#[test]
fn what_is_missing_is_named() {
    let found = problems("");
    let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["question", "strategies", "baseline"]);
    assert!(found[0].to_string().contains("test.toml: question: the key is missing"));
}

#[test]
fn a_question_is_one_line() {
    let with = |question: &str| {
        problem(&format!("question = {question}\nbaseline = \"null\"\nstrategies = [\"null\"]\n"))
            .what
    };
    assert!(with("\"\"").contains("empty"));
    assert!(with("\"a\\nb\"").contains("spans lines"));
    assert!(with("\"\\u001b[31m\"").contains("control characters"));
    assert!(with(&format!("\"{}\"", "x".repeat(301))).contains("longer than 300"));
}

#[test]
fn what_is_not_toml_is_refused_where_it_breaks() {
    check("[matrix\n", "", 1, &["not TOML"]);
    check("question = \"again\"\n", "", 1, &["duplicate key"]);
    let bad = parse_bytes("test", "test.toml", b"question = \"a\"\nx = \"\xff\"\n");
    let message = bad.expect_err("no UTF-8").to_string();
    assert!(message.starts_with("test.toml:2:6: byte 20 of the file is no UTF-8"), "{message}");
}

#[test]
fn drivers_and_rates_say_nothing_to_those_who_receive() {
    for (key, value) in [("driver", "\"threads\""), ("slow", "1"), ("rate", "9")] {
        let text = format!(
            "question = \"?\"\nbaseline = \"recv-write\"\nstrategies = [\"recv-write\"]\n[matrix]\n\
             {key} = {value}\n"
        );
        let bad = parse("test", "a/test.toml", &text).expect_err(key).to_string();
        assert!(bad.contains("says nothing to strategies of the family ingest"), "{bad}");
    }
}

#[test]
fn pressure_that_would_be_none_is_refused() {
    check("[pressure]\nmemmory = 1\n", "pressure.memmory", 2, &["did you mean `memory`?"]);
    let fits = &["no pressure", "less than the log's size, 256 MiB"];
    check("[pressure]\nmemory = \"256 MiB\"\n", "pressure.memory", 2, fits);
    check("[pressure]\nhot = \"90 MiB\"\n", "pressure.hot", 2, &["no more than 88 MiB"]);
    let near = &["\"sendfil\" is unknown", "did you mean `sendfile`?"];
    check("[pressure]\nhot_strategy = \"sendfil\"\n", "pressure.hot_strategy", 2, near);
    check("[pressure]\nhot_strategy = \"null\"\n", "pressure.hot_strategy", 2, &["is unknown"]);
    for (key, value) in [
        ("cache", "\"warm\""),
        ("access", "\"random\""),
        ("consumers", "2"),
        ("driver", "\"reactor\""),
        ("rate", "9"),
        ("arrivals", "\"fixed\""),
        ("slow", "1"),
        ("slow_rate", "4096"),
    ] {
        let rest = format!("[matrix]\n{key} = {value}\n[pressure]\n");
        check(&rest, &format!("matrix.{key}"), 2, &["[pressure] decides it"]);
    }
}

#[test]
fn many_readers_need_a_warm_log_and_no_pressure() {
    let rest = "[matrix]\nreaders = [1, 2]\ncache = \"cold\"\n";
    check(rest, "matrix.cache", 3, &["warm it for each other"]);
    let rest = "[matrix]\nreaders = [1, 2]\nrate = [0, 500]\n";
    check(rest, "matrix.rate", 3, &["each of many readers would offer the rate"]);
    let rest = "[log]\nimport = \"a\"\n[matrix]\nreaders = 2\ncache = \"cold\"\n";
    check(rest, "matrix.cache", 5, &["warm it for each other"]);
    let text = format!("{HEAD}[matrix]\nreaders = 2\n[pressure]\n");
    assert_eq!(problem(&text).key, "pressure");
    check("[matrix]\nreaders = 65\n", "matrix.readers", 2, &["too great"]);
    let readers = |value: &str| {
        let text = format!("{HEAD}[matrix]\nreaders = {value}\n");
        let scenario = parse("test", "test.toml", &text).expect("it is right");
        scenario.conditions.iter().map(|one| one.readers).collect::<Vec<_>>()
    };
    assert_eq!(readers("[1, 3]"), [Some(1), Some(3)], "all are measured alike");
    check(
        "[matrix]\nreaders = 2\nwait = \"spin\"\n",
        "matrix.wait",
        3,
        &["more readers than CPUs"],
    );
    assert_eq!(readers("1"), [None], "which is what a silent file has");
}

#[test]
fn the_end_of_a_log_is_warm_is_followed_by_all_and_sets_its_own_pace() {
    let beside = |line: &str, key: &str, words: &str| {
        let rest = format!("[matrix]\naccess = \"tail\"\n{line}\n");
        check(&rest, &format!("matrix.{key}"), 3, &[words]);
    };
    beside("cache = [\"warm\", \"cold\"]", "cache", "is in the page cache");
    beside("cache = \"partial\"", "cache", "is in the page cache");
    beside("rate = 500", "rate", "a fetch is due when its bytes are there");
    beside("slow = 1", "slow", "does not follow the end any more");
    beside("readers = [1, 2]", "readers", "would need the same producer");
    beside("senders = 2", "senders", "would need the same producer");
    beside("driver = \"reactor\"", "driver", "by epoll and for an append at once");
    let nothing = "[matrix]\naccess = [\"sequential\", \"tail\"]\nappend_rate = \"1 MiB\"\n";
    check(nothing, "matrix.append_rate", 3, &["nothing is appended where"]);
    check("[matrix]\nappend_rate = 7\n", "matrix.append_rate", 2, &["nothing is appended where"]);
    let text = format!("{HEAD}[pressure]\n[matrix]\naccess = \"tail\"\n");
    assert!(problem(&text).to_string().contains("[pressure] decides it"));
    let ids = |matrix: &str| -> Vec<String> {
        let text = format!("{HEAD}[matrix]\n{matrix}\n");
        let scenario = parse("test", "test.toml", &text).expect("it is right");
        scenario.cells().map(|cell| cell.id()).collect()
    };
    assert!(ids("access = \"tail\"").iter().all(|id| !id.contains("append_rate")));
    assert_eq!(ids("append_rate = 0"), ids("fetch = 65536"), "silent files keep their names");
    let paced = ids("access = \"tail\"\nappend_rate = [0, \"1 MiB\"]");
    let named = paced.iter().filter(|id| id.contains("append_rate=1048576"));
    assert_eq!(named.count() * 2, paced.len());
}

#[test]
fn many_senders_need_a_warm_log_no_rate_and_no_readers() {
    check(
        "[matrix]\nsenders = 2\ncache = \"cold\"\n",
        "matrix.cache",
        3,
        &["many senders of a log"],
    );
    check("[matrix]\nsenders = 2\nrate = 5\n", "matrix.rate", 3, &["each of many senders"]);
    let both = "[matrix]\nsenders = [1, 2]\nreaders = 2\n";
    check(both, "matrix.senders", 2, &["such of their own"]);
    check("[matrix]\nsenders = 65\n", "matrix.senders", 2, &["too great"]);
    let text = format!("{HEAD}[matrix]\nsenders = 2\n[pressure]\n");
    assert_eq!(problem(&text).key, "pressure");
    let senders = |value: &str| {
        let text = format!("{HEAD}[matrix]\nsenders = {value}\n");
        let scenario = parse("test", "test.toml", &text).expect("it is right");
        let of = |one: &Condition| one.senders.map(|senders| (senders.count, senders.most));
        scenario.conditions.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(senders("[1, 3]"), [Some((1, 3)), Some((3, 3))], "all are placed alike");
    assert_eq!(senders("1"), [None], "which is what a silent file has");
}

#[test]
fn a_canary_needs_a_sender_with_a_cpu_of_its_own() {
    let what = "pinned to no CPU";
    check("[matrix]\nreaders = 2\ncanary = \"on\"\n", "matrix.canary", 3, &[what]);
    check(
        "[matrix]\ncanary = \"off\"\n[pressure]\n",
        "matrix.canary",
        2,
        &["[pressure] decides it"],
    );
    check("[matrix]\ncanary = true\n", "matrix.canary", 2, &["on, off"]);
    let text = "question = \"Why?\"\nbaseline = \"recv-write\"\nstrategies = [\"recv-write\"]\n\
                [matrix]\ncanary = \"on\"\n";
    let bad = parse("test", "test.toml", text).expect_err("nobody sends there");
    assert!(bad.to_string().contains("says nothing to strategies of the family ingest"), "{bad}");
}

#[test]
fn an_empty_table_of_pressure_is_pressure() {
    let text = format!("{HEAD}[pressure]\n");
    let scenario = parse("test", "test.toml", &text).expect("it is right");
    let condition = &scenario.conditions[0];
    assert_eq!(condition.cache.name(), "cold");
    let pressure = condition.pressure.as_ref().expect("there is some");
    assert_eq!((pressure.memory_bytes, pressure.hot_bytes), (96 << 20, 32 << 20));
    assert_eq!(pressure.hot_strategy, "sendfile");
    assert_eq!(condition.params()["pressure_hot_rate"], 500);
    let silent = parse("test", "test.toml", HEAD).expect("it is right");
    assert_eq!(silent.conditions[0].pressure, None);
}
