//! What a file says, and what holds where it is silent.

use crate::{whole, with_head};
use serde_json::json;
use zclab::log::kafka::{Codec, MessageSize};
use zclab::scenario::{Access, Cache, LogChoice, Receiver, Scenario};
use zclab_strategies::{ALL, OptionValue, SinkKind};

#[test]
fn a_file_without_tables_means_the_defaults() {
    let scenario = with_head("");
    assert_eq!(scenario.conditions.len(), 1);
    assert!(scenario.axes.is_empty());
    let condition = &scenario.conditions[0];
    let LogChoice::Kafka(spec) = &condition.log else { panic!("not generated") };
    assert_eq!(spec.total_bytes, 256 << 20);
    assert_eq!(spec.message, MessageSize::Fixed(1024));
    assert_eq!((spec.key_bytes, spec.headers, spec.batch_bytes), (16, 0, 16 << 10));
    assert_eq!((spec.codec, spec.segment_bytes, spec.seed), (Codec::None, 64 << 20, 1));
    assert_eq!((condition.fetch_bytes, condition.header_bytes), (65536, 70));
    assert_eq!((condition.consumers, condition.access), (1, Access::Sequential));
    assert_eq!((condition.cache, condition.sink), (Cache::Warm, SinkKind::TcpLoopback));
    assert_eq!((condition.receiver, condition.socket_buffer_bytes), (Receiver::Copy, 0));
    let budget = scenario.budget;
    assert_eq!((budget.launches, budget.turns), (4, 12));
    assert_eq!((budget.slice_bytes, budget.fetches_max), (16 << 20, 4096));
}

#[test]
fn arrays_are_axes_in_the_order_of_the_file_and_the_last_is_fastest() {
    let scenario = with_head(
        "[matrix]\nsink = [\"tcp-loopback\", \"unix-stream\"]\nfetch = [\"1 KiB\", 2048, \"4 kB\"]\n\
         consumers = [3]\n",
    );
    let axes: Vec<_> =
        scenario.axes.iter().map(|axis| (axis.name.as_str(), axis.values.clone())).collect();
    assert_eq!(
        axes,
        [
            ("sink", vec![json!("tcp-loopback"), json!("unix-stream")]),
            ("fetch", vec![json!(1024), json!(2048), json!(4000)]),
        ]
    );
    let points: Vec<_> =
        scenario.conditions.iter().map(|one| (one.sink.name(), one.fetch_bytes)).collect();
    assert_eq!(
        points[..4],
        [
            ("tcp-loopback", 1024),
            ("tcp-loopback", 2048),
            ("tcp-loopback", 4000),
            ("unix-stream", 1024)
        ]
    );
    assert!(scenario.conditions.iter().all(|one| one.consumers == 3));
    assert_eq!(scenario.cells().count(), 12);
}

#[test]
fn every_form_of_every_parameter_is_read() {
    let scenario = with_head(
        "[log]\nsize = \"1 MiB\"\ncodec = \"zstd\"\nsegment = \"256 KiB\"\nkey = 0\nheaders = 2\n\
         batch = 4096\nseed = 7\n\
         [matrix]\nmessage = [\"128 B\", { uniform = { min = 1, max = \"1 KiB\" } }, \
         { lognormal = { median = 500, sigma = 0.8, max = 9000 } }, \
         { zipf = { max = 1000, exponent = 1 } }]\n\
         access = [\"sequential\", \"random\", \"zipf\", { zipf = 0.7 }]\n\
         cache = [\"warm\", \"cold\", \"partial\", { partial = 0.25 }]\n\
         receiver = [\"copy\", \"discard\"]\nheader = 0\ntransform = \"none\"\n\
         socket_buffer = \"4 KiB\"\n[budget]\nslice = 4096\n",
    );
    assert_eq!(scenario.conditions.len(), 4 * 4 * 4 * 2);
    let messages: Vec<_> = scenario.axes[0].values.clone();
    assert_eq!(
        messages,
        [
            json!(128),
            json!("uniform:1:1024"),
            json!("lognormal:500:0.8:9000"),
            json!("zipf:1000:1")
        ]
    );
    let last = scenario.conditions.last().expect("there are conditions");
    assert_eq!(last.message(), Some(&MessageSize::Zipf { max: 1000, exponent: 1.0 }));
    assert_eq!(last.access, Access::Zipf { exponent: 0.7 });
    assert_eq!(last.cache, Cache::Partial { resident: 0.25 });
    assert_eq!(last.receiver, Receiver::Discard);
    assert_eq!(scenario.axes[1].values[2], json!("zipf:1.1"));
    assert_eq!(scenario.axes[2].values[2], json!("partial:0.5"));
}

#[test]
fn all_means_the_catalogue() {
    let scenario = whole("question = \"Why?\"\nbaseline = \"read-write\"\nstrategies = \"all\"\n");
    let labels: Vec<_> = scenario.contenders.iter().map(|one| one.label.as_str()).collect();
    let names: Vec<_> = ALL.iter().map(|strategy| strategy.name()).collect();
    assert_eq!(labels, names);
}

#[test]
fn options_make_contenders_and_labels() {
    let scenario = whole(
        "question = \"Why?\"\nbaseline = \"read-write\"\nstrategies = [\n\
         { strategy = \"read-write\", buffer = [\"1 MiB\", \"64 KiB\"] },\n\
         { strategy = \"bare:read-write\" },\n]\n",
    );
    let labels: Vec<_> = scenario.contenders.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["read-write", "read-write buffer=65536", "bare:read-write"]);
    assert!(scenario.contenders[2].bare);
    assert_eq!(scenario.contenders[1].options["buffer"], OptionValue::Number(65536));
    let ids: Vec<_> = scenario.cells().map(|cell| cell.id()).collect();
    let fixed = "access=sequential,cache=warm,consumers=1,fetch=65536,header=70,log=kafka,\
                 message=1024,receiver=copy,sink=tcp-loopback,socket_buffer=0,transform=none,wait=auto";
    assert_eq!(ids[0], format!("group/test/read-write/{fixed}"));
    assert_eq!(
        ids[1],
        format!("group/test/read-write/{}", fixed.replace(",cache", ",buffer=65536,cache"))
    );
    assert_eq!(ids[2], format!("group/test/bare:read-write/{fixed}"));
}

#[test]
fn cells_are_called_as_they_were_where_consumers_are_alike_and_ask_at_once() {
    let usual = "driver = \"blocking\"\nslow = 0\nrate = 0\narrivals = \"poisson\"\n";
    let (silent, told) = (with_head("[matrix]\n"), with_head(&format!("[matrix]\n{usual}")));
    let ids = |scenario: &Scenario| scenario.cells().map(|cell| cell.id()).collect::<Vec<_>>();
    assert_eq!(ids(&silent), ids(&told));
    assert_eq!(silent.conditions, told.conditions);
    let axis = with_head("[matrix]\ndriver = [\"blocking\", \"reactor\"]\nslow_rate = 4096\n");
    let named: Vec<_> = ids(&axis).iter().map(|id| id.contains(",driver=reactor,")).collect();
    assert_eq!(named, [false, false, true, true]);
    assert!(ids(&axis).iter().all(|id| id.contains(",slow_rate=4096,")));
    // On one page all latencies mean the same.
    assert!(axis.conditions.iter().all(|condition| condition.demand.each));
}

#[test]
fn the_params_of_a_cell_are_complete() {
    let scenario = with_head("[matrix]\ncache = { partial = 0.5 }\n");
    let cell = scenario.cells().nth(1).expect("two contenders");
    let params = serde_json::to_value(cell.params()).expect("plain values");
    assert_eq!(
        params,
        json!({
            "access": "sequential", "batch": 16384, "buffer": 1 << 20, "cache": "partial:0.5",
            "codec": "none", "consumers": 1, "fetch": 65536, "header": 70, "headers": 0, "key": 16,
            "log": "kafka", "log_size": 256 << 20, "message": 1024, "receiver": "copy", "wait": "auto",
            "seed": 1, "segment": 64 << 20, "sink": "tcp-loopback", "socket_buffer": 0,
            "transform": "none", "driver": "blocking", "slow": 0, "slow_rate": 1 << 20, "rate": 0,
            "arrivals": "poisson", "canary": "off",
        })
    );
}

#[test]
fn an_imported_log_has_a_name_and_nothing_else() {
    let scenario = with_head("[log]\nimport = \"orders-0\"\n");
    let condition = &scenario.conditions[0];
    assert_eq!(condition.log, LogChoice::Imported("orders-0".to_owned()));
    assert_eq!(condition.params()["log"], json!("import:orders-0"));
    assert!(!condition.params().contains_key("message"));
}

#[test]
fn ids_are_unique_and_options_clash_with_no_parameter() {
    let scenario = with_head(
        "[matrix]\nfetch = [1, 2]\naccess = [\"random\", \"zipf\"]\nmessage = [10, 20]\n",
    );
    let ids: std::collections::BTreeSet<_> = scenario.cells().map(|cell| cell.id()).collect();
    assert_eq!(ids.len(), scenario.cells().count());
    let params = scenario.conditions[0].params();
    for strategy in ALL {
        for option in strategy.options() {
            assert!(!params.contains_key(option.name), "{}: {}", strategy.name(), option.name);
            assert_ne!(option.name, "strategy");
        }
    }
}

#[test]
fn the_record_repeats_the_file() {
    let text = "# why\nquestion = \"Why?\"\nanalysis = \"\"\"\nOne.\n\nTwo.\n\"\"\"\n\
                baseline = \"read-write\"\nstrategies = [\"read-write\"]\n[matrix]\nfetch = [1, 2]\n";
    let record = whole(text).to_record();
    assert_eq!(record.scenario, "group/test");
    assert_eq!(record.analysis, "One.\n\nTwo.");
    assert_eq!(record.source, text);
    assert_eq!(record.contenders, ["read-write"]);
    assert_eq!(record.axes[0].name, "fetch");
}
