//! UM: servers, the embedded one, attendants and mailboxes.

use super::Fault;

pub const FAULTS: &[Fault] = &[
    (
        "mailboxes over the phone of slips of the pen",
        "[store]",
        "[[user]]\naddress = \"sip:7@x.test\"\npin = \"12\"\npin_file = \"site.toml\"\n[voicemail]\nlanguage = \"xx\"\n\
         menu_silence = 5\nmax_greeting = \"1h\"\npin_at_own_phone = \"yes\"\npin_tries = 0\npin_lock = \"soon\"\n\
         prompts = \"nowhere\"\n[store]",
        &[
            "site.toml:24: user[1].pin: and pin_file are both set",
            "site.toml:24: user[1].pin: wants at least four digits",
            "site.toml:25: user[1].pin_file: wants at least four digits",
            "site.toml:27: voicemail.language: unknown language \"xx\"; known: en, de, fr, da, es",
            "site.toml:28: voicemail.menu_silence: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", \
             not a number without quotes",
            "site.toml:29: voicemail.max_greeting: must not be longer than 5m",
            "site.toml:30: voicemail.pin_at_own_phone: wants true or false, not text in quotes",
            "site.toml:31: voicemail.pin_tries: wants a number from 1 to 100",
            "site.toml:32: voicemail.pin_lock: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", \
             not \"soon\"",
            "site.toml:33: voicemail.prompts: folder cannot be read: No such file or directory (os error 2)",
        ],
    ),
    (
        "an attendant of slips of the pen",
        "[store]",
        "[attendant.\"front desk\"]\nnumbers = []\nlanguage = \"it\"\ndigits = 99\ntries = 0\nextensions = [\"20-100\", \"+45\"]\n\
         max_call = 5\n[attendant.b]\nnumbers = [\"1001\"]\ngreeting = \"none.wav\"\nkey = \"0\"\n[store]",
        &[
            "site.toml:23: attendant.front desk.numbers: needs at least one entry",
            "site.toml:23: attendant.front desk.numbers: the name \"front desk\" may hold letters, digits, - and _ only",
            "site.toml:24: attendant.front desk.language: unknown language \"it\"; known: en, de, fr, da, es",
            "site.toml:25: attendant.front desk.digits: wants a number from 1 to 15",
            "site.toml:26: attendant.front desk.tries: wants a number from 1 to 10",
            "site.toml:27: attendant.front desk.extensions[0]: wants \"200\" or \"200-299\", both as long",
            "site.toml:27: attendant.front desk.extensions[1]: wants \"200\" or \"200-299\", both as long",
            "site.toml:28: attendant.front desk.max_call: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" \
             or \"1h\", not a number without quotes",
            "site.toml:30: attendant.b.numbers[0]: duplicate of user[0].numbers[0] (line 11)",
            "site.toml:31: attendant.b.greeting: greeting cannot be read: No such file or directory (os error 2)",
            "site.toml:32: attendant.b.key: unknown key; known here: numbers, language, greeting, digits, first_digit, \
             next_digit, tries, operator, extensions, max_call",
        ],
    ),
    (
        "a pool of slips of the pen",
        "[um.plan.lab]\n",
        "[um]\nstrategy = \"best\"\nprobe = \"ping\"\nfailures = 0\nprobe_after = \"2m\"\ntimeout = \"0s\"\n[um.plan.lab]\n",
        &[
            "site.toml:8: um.strategy: wants one of random, round-robin",
            "site.toml:9: um.probe: wants one of options, calls",
            "site.toml:10: um.failures: wants a number from 1 to 30",
            "site.toml:11: um.probe_after: must not be longer than probe_longest",
            "site.toml:12: um.timeout: must be longer than zero",
            "site.toml:20: user[0].um_plan: unknown plan \"lab\": the site has no [um.plan.lab]",
        ],
    ),
    (
        "bad server",
        "sip:um@127.0.0.1:6073",
        "sip:um@127.0.0.1:66073",
        &[
            "site.toml:8: um.plan.lab.servers[0]: neither \"embedded\" nor a SIP URI: its port is no number from 1 to 65535",
        ],
    ),
    (
        "rtp range",
        "[store]",
        "[voicemail]\nrtp_ports = \"2000-1999\"\n[store]",
        &["site.toml:23: voicemail.rtp_ports: wants a first port from 1024 and a last port above it"],
    ),
    (
        "an address that nobody can send to",
        "[store]",
        "[voicemail]\naddress = \"0.0.0.0\"\n[store]",
        &["site.toml:23: voicemail.address: wants an address that peers can send to"],
    ),
];
