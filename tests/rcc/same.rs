//! R10: which calls at a PBX are calls of ours too. Both errors are bad: a notice twice, or none.

use ringpost::rcc::same::{Same, Sight, same_call, same_caller};

/// A call of that caller that rang from then on, was answered then, and was over then; in seconds.
fn sight(caller: &str, rang: &[f64], answered: Option<f64>, ended: Option<f64>) -> Sight {
    let ms = |seconds: f64| (seconds * 1_000.0) as u64;
    Sight {
        caller: (caller != "-").then(|| caller.to_owned()),
        rang: rang.iter().map(|at| ms(*at)).collect(),
        answered: answered.map(ms),
        ended: ended.map(ms),
    }
}

/// The telephone at the PBX rang from 100 s to 120 s.
#[test]
fn r10_the_truth_table() {
    use Same::{No, Open, Yes};
    type Row = (&'static str, &'static str, &'static str, &'static [f64], Option<f64>, Option<f64>, Same);
    let rows: [Row; 24] = [
        // Known on both sides: who it is decides, where the two rang at one time.
        ("it rings here as well", "+4511", "+4511", &[100.2], None, None, Yes),
        ("it is over here first", "+4511", "+4511", &[100.2], None, Some(119.9), Yes),
        ("it was answered here", "+4511", "+4511", &[101.0], Some(110.0), None, Yes),
        ("it came here first, and went on to the PBX", "+4511", "4511", &[70.0, 100.0], None, None, Yes),
        ("the PBX has sent it on without a word", "+4511", "+4511", &[119.8], None, None, Yes),
        ("another one of that company talks here", "+4511", "+4511", &[20.0], Some(25.0), None, No),
        ("who was missed here calls there again", "+4511", "+4511", &[20.0], None, Some(40.0), No),
        ("two callers at one time", "+4511", "+4522", &[100.0], None, Some(120.0), No),
        // One hides: it has to begin with it, ...
        ("the same moment", "-", "-", &[100.4], None, None, Yes),
        ("only the PBX knows who", "+4511", "-", &[101.9], None, None, Yes),
        ("only we know who", "-", "+4511", &[99.0], Some(119.0), None, Yes),
        ("our leg to the PBX is the second one", "-", "-", &[80.0, 99.9], None, None, Yes),
        ("answered at once here", "-", "-", &[99.0], Some(99.5), None, Yes),
        // ... to follow it, ...
        ("the PBX has sent it on", "-", "-", &[119.5], None, None, Yes),
        // ... or to end with it.
        ("the PBX rang here first", "-", "-", &[85.0], None, Some(119.7), Yes),
        ("and it was answered here", "-", "-", &[85.0], Some(119.7), None, Yes),
        ("the PBX rang here later", "-", "-", &[110.0], None, Some(120.0), Yes),
        ("it rings here yet", "-", "-", &[85.0], None, None, Open),
        // Else they are two.
        ("another one rang before", "-", "-", &[50.0], None, Some(90.0), No),
        ("another one talks here", "-", "+4511", &[50.0], Some(60.0), None, No),
        ("another one talked here while it rang", "-", "-", &[50.0], Some(60.0), Some(110.0), No),
        ("another one gave up in the middle", "-", "-", &[90.0], None, Some(110.0), No),
        ("another one was answered in the middle", "+4511", "-", &[106.0], Some(112.0), None, No),
        ("another one came in the middle and gave up", "-", "-", &[105.0], None, Some(115.0), No),
    ];
    for (what, missed, caller, rang, answered, ended, same) in rows {
        let at_pbx = sight(missed, &[100.0], None, Some(120.0));
        let other = sight(caller, rang, answered, ended);
        assert_eq!(same_call(&at_pbx, &other, 120_000), same, "{what}");
    }
}

/// A call that is over before the PBX rings has not ended with a short one there.
#[test]
fn r10_one_after_the_other_are_two() {
    let at_pbx = sight("+4511", &[100.0], None, Some(100.1));
    for ended in [99.0, 99.99] {
        assert_eq!(same_call(&at_pbx, &sight("-", &[90.0], None, Some(ended)), 100_100), Same::No);
    }
}

/// What is open is decided a second later, by whether the other one has ended as well.
#[test]
fn r10_what_is_open_is_decided_soon() {
    let at_pbx = sight("-", &[100.0], None, Some(120.0));
    for (answered, ended, same) in [
        (None, Some(120.6), Same::Yes),
        (Some(120.6), None, Same::Yes),
        (None, None, Same::No),
        (Some(110.0), None, Same::No),
    ] {
        assert_eq!(same_call(&at_pbx, &sight("-", &[85.0], answered, ended), 121_000), same, "{ended:?}");
    }
}

#[test]
fn callers_are_compared_by_what_both_know() {
    for (one, other, same) in [
        ("+4544890101", "tel:+4544890101", true),
        ("+4544890101", "44890101", true),
        ("+4544890101", "0044890101", true),
        ("+4544890101", "+4544890102", false),
        ("sip:ada@x.test", "sip:ben@x.test", false),
        ("1002", "+4544891002", true),
        ("tel:1002", "1002", true),
        ("sip:da@x.test", "sip:ada@x.test", false),
        ("sip:ada@x.test", "sip:ada@x.test:5060", true),
        // The operator is not everybody.
        ("0", "+4544890101", false),
        ("0", "0", true),
        ("sip:@x.test", "+4544890101", false),
    ] {
        assert_eq!(same_caller(one, other), same, "{one} {other}");
        assert_eq!(same_caller(other, one), same, "{other} {one}");
    }
}
