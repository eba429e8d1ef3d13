//! What is wrong in any section: keys that are none, values of another kind, durations and sizes without a unit.

use super::Fault;

pub const FAULTS: &[Fault] = &[
    (
        "unknown key",
        "language = \"en\"",
        "languages = \"en\"",
        &[
            "site.toml:18: user[0].languages: unknown key; known here: address, name, line, numbers, location, devices, auth_name, \
         password, password_file, ring_for, um_plan, missed_calls, forward, min_ring, mail_if_um_refuses, channels, \
         mail, time_zone, language, greeting, voicemail_numbers, voice_policy, pin, pin_file, policy, presence, notices",
        ],
    ),
    (
        "unknown section",
        "[store]",
        "[stores]",
        &[
            "site.toml:22: stores: unknown key; known here: sip, location, outbound, voice_policy, trunk, registrar, um, outbox, channel, mail, \
             notices, directory, user, bypass, attendant, route, routing, policy, feature_codes, store, retention, voicemail, metrics, http, book, security, tls, dns, presence, rcc, identity",
        ],
    ),
    (
        "wrong type",
        "domain = \"example.test\"",
        "domain = 7",
        &["site.toml:3: sip.domain: wants text, not a number without quotes"],
    ),
    (
        "a list where text is wanted",
        "um_plan = \"lab\"",
        "um_plan = [\"lab\"]\nforward = \"off\"",
        &["site.toml:14: user[0].um_plan: wants text, not a list"],
    ),
    (
        "a table where a list is wanted",
        "[[user]]",
        "[user]",
        &["site.toml:9: user: wants tables [[user]], not a table"],
    ),
    (
        "duration without unit",
        "ring_for = \"1s\"",
        "ring_for = \"20\"",
        &[
            "site.toml:13: user[0].ring_for: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", \
         not \"20\"",
        ],
    ),
    (
        "duration as a number",
        "ring_for = \"1s\"",
        "ring_for = 20",
        &[
            "site.toml:13: user[0].ring_for: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", \
         not a number without quotes",
        ],
    ),
    (
        "zero duration",
        "ring_for = \"1s\"",
        "ring_for = \"0s\"",
        &["site.toml:13: user[0].ring_for: must be longer than zero"],
    ),
    (
        "negative duration",
        "ring_for = \"1s\"",
        "ring_for = \"-5s\"",
        &["site.toml:13: user[0].ring_for: must not be negative: \"-5s\""],
    ),
    (
        "empty text",
        "mail = \"user1001@example.test\"\n",
        "mail = \"\"\n",
        &["site.toml:16: user[0].mail: is empty"],
    ),
    (
        "size without unit",
        "domain =",
        "max_message = \"64\"\ndomain =",
        &["site.toml:3: sip.max_message: wants a size with its unit, such as \"64KiB\", not \"64\""],
    ),
    (
        "several at once",
        "\"example.test\"\n[[trunk]]\nname = \"pbx\"",
        "\"exa mple\"\nmax_calls = 0\nmax_transfers = -1\n[[trunk]]",
        &[
            "site.toml:3: sip.domain: wants a domain such as \"example.com\"",
            "site.toml:4: sip.max_calls: wants a number from 1 to 10000000",
            "site.toml:5: sip.max_transfers: wants a number from 0 to 1000",
            "site.toml:6: trunk[0].name: is missing",
        ],
    ),
    (
        "a line break in a name",
        "um_plan = \"lab\"",
        "um_plan = \"a\\nb\"",
        &["site.toml:14: user[0].um_plan: holds a control character"],
    ),
];
