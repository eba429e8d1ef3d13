//! Users: numbers, logins, policies, what they need of other sections.

use super::Fault;

pub const FAULTS: &[Fault] = &[
    (
        "lines that are none",
        "language = \"en\"",
        "language = \"en\"\nline = \"tel:200;ext=2\"\nlocation = \"moon\"",
        &[
            "site.toml:19: user[0].line: wants a line such as \"tel:+4544890101\" or \"tel:+4544890101;ext=200\"",
            "site.toml:20: user[0].location: unknown location \"moon\": the site has no [location.moon]",
        ],
    ),
    (
        "a policy of slips of the pen",
        "language = \"en\"\n",
        "language = \"en\"\n[user.policy]\ndo_not_disturb = \"on\"\nforward_always = \"12 34\"\nring_also = [\"a b\"]\n\
         accept_key = \"1\"\nhunt_step = \"15\"\nforward = \"off\"\n",
        &[
            "site.toml:20: user[0].policy.do_not_disturb: wants \"voicemail\", \"busy\" or \"off\", not \"on\"",
            "site.toml:21: user[0].policy.forward_always: wants a number such as \"+15550101\" or a user part, without \
             spaces",
            "site.toml:22: user[0].policy.ring_also[0]: wants a number such as \"+15550101\" or a user part, without \
             spaces",
            "site.toml:23: user[0].policy.accept_key: wants true or false, not text in quotes",
            "site.toml:24: user[0].policy.hunt_step: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" \
             or \"1h\", not \"15\"",
            "site.toml:25: user[0].policy.forward: unknown key; known here: do_not_disturb, forward_always, \
             forward_busy, forward_no_answer, ring_also, accept_key, hunt, hunt_step, delegates, delegates_after",
        ],
    ),
    (
        "voice mail without UM",
        "um_plan = \"lab\"\nmissed_calls = \"um\"",
        "voicemail_numbers = [\"*1001\"]\npolicy = { forward_busy = \"voicemail\" }",
        &[
            "site.toml:14: user[0].voicemail_numbers: need an um_plan",
            "site.toml:15: user[0].policy: \"voicemail\" needs an um_plan",
        ],
    ),
    (
        "feature codes",
        "[store]",
        "[feature_codes]\nreset = \"72\"\nforward_always = \"*72\"\nforward_busy = \"*72\"\n[policy]\nmax_outside = -1\n[store]",
        &[
            "site.toml:23: feature_codes.reset: wants a code such as \"*72\", not \"72\"",
            "site.toml:25: feature_codes.forward_busy: another feature has this code",
            "site.toml:27: policy.max_outside: wants a number from 0 to 1000",
        ],
    ),
    (
        "a login that cannot be",
        "language = \"en\"",
        "auth_name = \"a:b\"",
        &[
            "site.toml:18: user[0].auth_name: needs a password or a password_file",
            "site.toml:18: user[0].auth_name: must not hold a quote, a backslash or a colon",
        ],
    ),
    (
        "two users with one login",
        "language = \"en\"",
        "password = \"x\"\n[[user]]\naddress = \"sip:1002@example.test\"\nauth_name = \"1001\"\npassword = \"y\"",
        &["site.toml:22: user[1].password: duplicate of user[0].password (line 18)"],
    ),
    (
        "two passwords",
        "language = \"en\"",
        "password = \"x\"\npassword_file = \"none\"",
        &[
            "site.toml:18: user[0].password: and password_file are both set",
            "site.toml:19: user[0].password_file: cannot be read: No such file or directory (os error 2)",
        ],
    ),
    (
        "duplicate number",
        "[mail]\n",
        "[[user]]\naddress = \"sip:2@example.test\"\nnumbers = [\"1001\"]\n[mail]\n",
        &["site.toml:21: user[1].numbers[0]: duplicate of user[0].numbers[0] (line 11)"],
    ),
    (
        "duplicate address",
        "[mail]\n",
        "[[user]]\naddress = \"sip:1001@EXAMPLE.test\"\n[mail]\n",
        &["site.toml:20: user[1].address: duplicate of user[0].address (line 10)"],
    ),
    (
        "unknown plan",
        "um_plan = \"lab\"",
        "um_plan = \"lob\"",
        &["site.toml:14: user[0].um_plan: unknown plan \"lob\"; the site has lab"],
    ),
    (
        "no plan for UM",
        "um_plan = \"lab\"\n",
        "",
        &["site.toml:14: user[0].missed_calls: \"um\" needs an um_plan"],
    ),
    (
        "unknown class",
        "missed_calls = \"um\"",
        "missed_calls = \"UM\"",
        &["site.toml:15: user[0].missed_calls: wants \"um\", \"mail\", \"pbx\" or \"off\", not \"UM\""],
    ),
    (
        "no mail for mail",
        "missed_calls = \"um\"\nmail = \"user1001@example.test\"",
        "missed_calls = \"mail\"",
        &["site.toml:9: user[0].mail: is missing: missed calls are told by mail"],
    ),
    (
        "unknown time zone",
        "Europe/Copenhagen",
        "Europe/Kobenhavn",
        &[
            "site.toml:17: user[0].time_zone: unknown time zone \"Europe/Kobenhavn\"; wants an IANA name such as \
         \"Europe/Copenhagen\"",
        ],
    ),
    (
        "unknown language",
        "language = \"en\"",
        "language = \"tlh\"",
        &["site.toml:18: user[0].language: unknown language \"tlh\"; known: en, de, fr, da, es"],
    ),
    (
        "bad device",
        "sip:soft@127.0.0.1:6072",
        "soft@127.0.0.1",
        &["site.toml:12: user[0].devices[1]: wants a SIP URI such as \"sip:desk@192.0.2.7:5060\""],
    ),
    (
        "no greeting",
        "language = \"en\"",
        "greeting = \"hello.wav\"",
        &["site.toml:18: user[0].greeting: greeting cannot be read: No such file or directory (os error 2)"],
    ),
    (
        "no WAV",
        "language = \"en\"",
        "greeting = \"site.toml\"",
        &["site.toml:18: user[0].greeting: greeting is no WAV file"],
    ),
];
