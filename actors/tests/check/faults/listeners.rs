//! Where Ringpost listens and what it asks the DNS: SIP, HTTP, metrics.

use super::Fault;

pub const FAULTS: &[Fault] = &[
    (
        "listeners of [http] that are none",
        "[store]",
        "[http]\nlisten = [\"ftp:127.0.0.1:1\", \"http:192.0.2.1:8080\", \"https:[::1]:0\", 7]\nschemes = [\"ntlm\"]\n\
         url = \"https://a.test/?q\"\nproxies = [\"proxy\"]\nmax_header = \"1KiB\"\nmax_connections = 0\nstall_timeout = \"0s\"\n[store]",
        &[
            "site.toml:23: http.listen[0]: wants \"https:ADDRESS:PORT\" or \"http:ADDRESS:PORT\", not \"ftp:127.0.0.1:1\"",
            "site.toml:23: http.listen[1]: would take passwords in the open: wants https, an address of this machine only, \
         or plain = true",
            "site.toml:23: http.listen[2]: port 0 is no port: readers have to know where Ringpost listens",
            "site.toml:23: http.listen[3]: wants text, not a number without quotes",
            "site.toml:24: http.schemes[0]: wants \"digest\" or \"basic\", not \"ntlm\"",
            "site.toml:25: http.url: wants a URL such as \"https://phones.example.com/ringpost\", without anything behind the path",
            "site.toml:26: http.proxies[0]: wants an address or a network such as \"192.0.2.7\" or \"10.0.0.0/8\", not \"proxy\"",
            "site.toml:27: http.max_header: must be from 8.0 KiB to 1.0 MiB",
            "site.toml:28: http.max_connections: wants a number from 1 to 100000",
            "site.toml:29: http.stall_timeout: must be longer than zero",
        ],
    ),
    (
        "R89: two listeners on one address and port, whatever they speak",
        "[store]",
        "[metrics]\nlisten = \"127.0.0.1:9460\"\n[http]\nlisten = [\"http:127.0.0.1:9460\", \"http:127.0.0.1:5060\"]\n[store]",
        &[
            "site.toml:25: http.listen[0]: listens on the same address and port as metrics.listen (line 23)",
            "site.toml:25: http.listen[1]: listens on the same address and port as sip.listen[1] (line 2)",
        ],
    ),
    (
        "R89: metrics where SIP is by TCP",
        "[store]",
        "[metrics]\nlisten = \"0.0.0.0:5060\"\n[store]",
        &["site.toml:23: metrics.listen: listens on the same address and port as sip.listen[1] (line 2)"],
    ),
    (
        "https without a certificate",
        "[store]",
        "[http]\nlisten = [\"https:0.0.0.0:8443\"]\n[store]",
        &["site.toml: tls.certificates: is missing: a tls, wss or https listener needs one"],
    ),
    (
        "clients of [http] that nobody can be",
        "[store]",
        "[[http.client]]\nname = \"a:b\"\npassword_file = \"none\"\nmay = [\"all\"]\n[[http.client]]\nmay = []\n[store]",
        &[
            "site.toml:23: http.client[0].name: must not hold a quote, a backslash or a colon",
            "site.toml:24: http.client[0].password_file: cannot be read: No such file or directory (os error 2)",
            "site.toml:25: http.client[0].may[0]: wants \"book\" or \"locations\"",
            "site.toml:26: http.client[1].name: is missing",
            "site.toml:26: http.client[1].password_file: is missing",
            "site.toml:27: http.client[1].may: needs at least one entry",
        ],
    ),
    (
        "a book for nobody",
        "[store]",
        "[book]\nenabled = \"no\"\ntitle = \"\"\nhide = [\"department=\", 5]\ndays = 0\nmax_found = 0\n[store]",
        &[
            "site.toml:23: book.enabled: wants true or false, not text in quotes",
            "site.toml:24: book.title: is empty",
            "site.toml:25: book.hide[0]: wants an address, a number or ATTRIBUTE=VALUE, with * for anything",
            "site.toml:25: book.hide[1]: wants text, not a number without quotes",
            "site.toml:26: book.days: wants a number from 1 to 365",
            "site.toml:27: book.max_found: wants a number from 1 to 10000",
        ],
    ),
    (
        "names that nobody could look up",
        "[mail]\n",
        "[dns]\nservers = [\"dns.example.test\", \"0.0.0.0\", \"192.0.2.53:0\"]\ntimeout = \"0s\"\nmax_queries = 0\n\
         cache = 1\nmin_ttl = \"2h\"\n[mail]\n",
        &[
            "site.toml:20: dns.servers[0]: wants the address of a DNS server such as \"192.0.2.53\" or \"192.0.2.53:5353\", \
             not \"dns.example.test\"",
            "site.toml:20: dns.servers[1]: wants the address of a DNS server such as \"192.0.2.53\" or \"192.0.2.53:5353\", \
             not \"0.0.0.0\"",
            "site.toml:20: dns.servers[2]: wants the address of a DNS server such as \"192.0.2.53\" or \"192.0.2.53:5353\", \
             not \"192.0.2.53:0\"",
            "site.toml:21: dns.timeout: must be longer than zero",
            "site.toml:22: dns.max_queries: wants a number from 1 to 100000",
            "site.toml:23: dns.cache: wants a number from 100 to 10000000",
            "site.toml:24: dns.min_ttl: must not be longer than max_ttl",
        ],
    ),
    (
        "datagrams larger than any",
        "[[trunk]]\n",
        "max_udp = \"64KiB\"\nudp_fallback = \"0s\"\ntcp_retry = 5\n[[trunk]]\n",
        &[
            "site.toml:4: sip.max_udp: must be from 548 B to 64.0 KiB",
            "site.toml:5: sip.udp_fallback: must be longer than zero",
            "site.toml:6: sip.tcp_retry: wants a time with its unit, such as \"1500ms\", \"20s\", \"5m\" or \"1h\", not a number \
             without quotes",
        ],
    ),
    (
        "registrations that contradict each other",
        "[store]",
        "[registrar]\nrealm = \"a\\\"b\"\nalgorithms = [\"SHA-1\"]\nmin_expires = \"2h\"\nmax_bindings = 0\n[store]",
        &[
            "site.toml:22: registrar.expires: must lie between min_expires and max_expires",
            "site.toml:23: registrar.realm: must not hold a quote or a backslash",
            "site.toml:24: registrar.algorithms[0]: unknown algorithm \"SHA-1\"; known: SHA-256, SHA-512-256, MD5",
            "site.toml:26: registrar.max_bindings: wants a number from 1 to 1000",
        ],
    ),
    (
        "R89: two listeners on one port",
        "tcp:127.0.0.1:5060",
        "udp:127.0.0.1:5060",
        &["site.toml:2: sip.listen[1]: listens on the same address and port as sip.listen[0] (line 2)"],
    ),
    (
        "R89: a listener inside a wildcard",
        "tcp:127.0.0.1:5060",
        "udp:0.0.0.0:5060",
        &["site.toml:2: sip.listen[1]: listens on the same address and port as sip.listen[0] (line 2)"],
    ),
    (
        "no listener",
        "\"udp:127.0.0.1:5060\", \"tcp:127.0.0.1:5060\"",
        "",
        &["site.toml:2: sip.listen: needs at least one entry"],
    ),
    (
        "a TLS listener without a certificate, and one on a port that TCP has",
        "\"tcp:127.0.0.1:5060\"",
        "\"tcp:127.0.0.1:5060\", \"ws:127.0.0.1:5060\", \"tls:127.0.0.1:5061\"",
        &[
            "site.toml: tls.certificates: is missing: a tls, wss or https listener needs one",
            "site.toml:2: sip.listen[2]: listens on the same address and port as sip.listen[1] (line 2)",
        ],
    ),
    (
        "bad port",
        "udp:127.0.0.1:5060",
        "udp:127.0.0.1:70000",
        &[
            "site.toml:2: sip.listen[0]: wants \"udp:ADDRESS:PORT\", or tcp, tls, ws or wss in place of udp (IPv6 in brackets, port 1 to \
         65535), not \"udp:127.0.0.1:70000\"",
        ],
    ),
    (
        "metrics without a port",
        "[store]\n",
        "[metrics]\nlisten = \"127.0.0.1\"\n[store]\n",
        &["site.toml:23: metrics.listen: wants an address and a port such as \"127.0.0.1:9460\""],
    ),
];
