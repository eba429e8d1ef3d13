//! Trunks, lines behind them, routes and what may leave.

use super::Fault;

pub const FAULTS: &[Fault] = &[
    (
        "rules and locations that cannot be used",
        "[store]",
        "[location.hq]\ncountry = \"Denmark\"\nrules_file = \"none.xml\"\n[[location.hq.rule]]\nname = \"one\"\npattern = '^(?=1)'\n\
         translation = \"$1\"\n[[location.hq.rule]]\npattern = '^(\\d)$'\ntranslation = \"$15\"\n[location.empty]\n[location.default]\n\
         country = \"DK\"\n[outbound]\nlocation = \"moon\"\nrules_poll = \"0s\"\n[store]",
        &[
            "site.toml:23: location.hq.country: wants the two letters of a country such as \"DK\"",
            "site.toml:24: location.hq.rules_file: none.xml cannot be read: No such file or directory (os error 2)",
            "site.toml:27: location.hq.rule[0].pattern: rule \"one\": look-ahead would need more than linear time (at character 2)",
            "site.toml:31: location.hq.rule[1].translation: the pattern has no group of that number: write ${1}5 for group 1 and a 5 (at character 1)",
            "site.toml:32: location.empty: has neither rules nor a country",
            "site.toml:33: location.default: its name wants letters, digits, -, _ and . only, and is neither default nor dialstring",
            "site.toml:36: outbound.location: unknown location \"moon\"; the site has default, empty, hq",
            "site.toml:37: outbound.rules_poll: must be longer than zero",
        ],
    ),
    (
        "lines behind main numbers that overlap or are none",
        "[um.plan.lab]",
        "main_number = \"44890101\"\nextensions = [\"2xx\", \"250\", \"20-3\"]\n[[trunk]]\nname = \"two\"\nsources = [\"192.0.2.1\"]\n\
         main_number = \"+4544890101\"\nextensions = [\"2xx\"]\n[[trunk]]\nname = \"three\"\nsources = [\"192.0.2.2\"]\n\
         main_number = \"+45-44-89-01-01\"\nextensions = [\"299\", \"3xx\"]\n[[trunk]]\nname = \"four\"\nsources = [\"192.0.2.3\"]\n\
         extensions = [\"4xx\"]\ncalled_location = \"moon\"\n[um.plan.lab]",
        &[
            "site.toml:7: trunk[0].main_number: wants a number with + and country, such as \"+4544890101\"",
            "site.toml:8: trunk[0].extensions[1]: overlaps with 200-299",
            "site.toml:8: trunk[0].extensions[2]: the first and the last extension have the same length",
            "site.toml:18: trunk[2].extensions[0]: overlaps with 200-299 of trunk[1].extensions[0] (line 13)",
            "site.toml:22: trunk[3].extensions: needs main_number as well",
            "site.toml:23: trunk[3].called_location: unknown location \"moon\": the site has no [location.moon]",
        ],
    ),
    (
        "a bypass of somebody's number",
        "[mail]\n",
        "[[bypass]]\nnumbers = [\"1001\"]\ntarget = \"fax\"\n[mail]\n",
        &[
            "site.toml:20: bypass[0].numbers[0]: duplicate of user[0].numbers[0] (line 11)",
            "site.toml:21: bypass[0].target: wants a SIP URI such as \"sip:desk@192.0.2.7:5060\"",
        ],
    ),
    (
        "bad network",
        "sources = [\"127.0.0.1\"]",
        "sources = [\"10.0.0.0/33\"]",
        &[
            "site.toml:6: trunk[0].sources[0]: wants an address or a network such as \"192.0.2.7\" or \"10.0.0.0/8\", not \
         \"10.0.0.0/33\"",
        ],
    ),
    (
        "a trunk that calls go out to",
        "sources = [\"127.0.0.1\"]",
        "sources = [\"127.0.0.1\"]\ntarget = \"sip:7@h\"\ne164 = \"+\"\nprefix_out = \"x\"",
        &[
            "site.toml:7: trunk[0].target: wants no user part: the number takes its place",
            "site.toml:8: trunk[0].e164: wants one of as-dialled, plus, digits, national, international",
            "site.toml:9: trunk[0].prefix_out: wants digits, +, * and # only",
        ],
    ),
    (
        "a trunk that says too little",
        "sources = [\"127.0.0.1\"]",
        "target = \"sip:h\"\nlogin = \"me\"\nfailures = 3\nexpires = \"2m\"\nprefixes = [\"0\"]\nnumbers = [\"bob\"]",
        &[
            "site.toml:4: trunk[0].sources: needs at least one entry",
            "site.toml:7: trunk[0].login: needs password_file as well",
            "site.toml:8: trunk[0].failures: means nothing without keep_alive",
            "site.toml:9: trunk[0].expires: means nothing without register",
            "site.toml:10: trunk[0].prefixes[0]: wants the beginning of a number with its country, such as \"+49\"",
            "site.toml:11: trunk[0].numbers[0]: wants a number such as \"+4930123456\" or \"112\"",
        ],
    ),
    (
        "a trunk without a target",
        "sources = [\"127.0.0.1\"]",
        "sources = [\"127.0.0.1\"]\nprefixes = [\"+49\"]",
        &["site.toml:7: trunk[0].prefixes: means nothing without target"],
    ),
    (
        "toll fraud by a slip of the pen",
        "[store]",
        "[outbound]\nallowed_prefixes = [\"0\", \"\", \"x\"]\ncountry = \"+49\"\n[store]",
        &[
            "site.toml:23: outbound.allowed_prefixes[0]: wants the beginning of a number with its country, such as \"+49\"",
            "site.toml:23: outbound.allowed_prefixes[1]: is empty",
            "site.toml:23: outbound.allowed_prefixes[2]: wants the beginning of a number with its country, such as \"+49\"",
            "site.toml:24: outbound.country: wants 1 to 3 digits",
        ],
    ),
    (
        "routes that lead nowhere",
        "[store]",
        "[routing]\nvoice_policy = \"none\"\nprobe_after = \"2m\"\n\
         [voice_policy.all]\nusages = [\"world\", \"local\"]\n[voice_policy.empty]\n\
         [[route]]\nname = \"a\"\npattern = \"(?=1)\"\nusages = [\"local\"]\ngateways = [\"pbx\", \"moon\"]\n\
         [[route]]\nname = \"a\"\npattern = \"+49\"\nusages = []\n[store]",
        &[
            "site.toml:23: routing.voice_policy: unknown voice policy \"none\"; the site has all, empty",
            "site.toml:24: routing.probe_after: must not be longer than probe_longest",
            "site.toml:26: voice_policy.all.usages[0]: unknown usage \"world\": no [[route]] has it",
            "site.toml:27: voice_policy.empty.usages: is missing; an empty list lets nobody call outside",
            "site.toml:30: route[0].pattern: is no regular expression that can be used: look-around, including look-ahead \
             and look-behind, is not supported",
            "site.toml:32: route[0].gateways[0]: the trunk \"pbx\" has no target",
            "site.toml:32: route[0].gateways[1]: unknown gateway \"moon\": the site has no [[trunk]] with a target",
            "site.toml:33: route[1].gateways: needs at least one entry",
            "site.toml:34: route[1].name: duplicate of route[0].name (line 29)",
            "site.toml:35: route[1].pattern: is no regular expression that can be used: repetition operator missing expression",
            "site.toml:36: route[1].usages: needs at least one entry",
        ],
    ),
    (
        "voice policies that nobody defines",
        "sources = [\"127.0.0.1\"]",
        "sources = [\"127.0.0.1\"]\nvoice_policy = \"gold\"\n[[user]]\naddress = \"sip:7@x.test\"\nvoice_policy = \"gold\"",
        &[
            "site.toml:7: trunk[0].voice_policy: unknown voice policy \"gold\": the site has no [voice_policy.gold]",
            "site.toml:10: user[0].voice_policy: unknown voice policy \"gold\": the site has no [voice_policy.gold]",
        ],
    ),
];
