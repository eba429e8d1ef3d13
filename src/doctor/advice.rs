//! Remedies: what an admin can do about what was found, one sentence each.

/// The set-up guide that remedies refer to.
pub const GUIDE: &str = "examples/sites/README.md";

/// What to do about a server's certificate that was refused, by the words of whoever refused it; `ca` is the key of the site
/// file that names the CAs which are believed, `host` the key that names the server.
pub fn certificate(why: &str, ca: &str, host: &str) -> String {
    let why = why.to_ascii_lowercase();
    if why.contains("expired") {
        "Renew the certificate on that server, and compare the clocks of both machines.".to_owned()
    } else if why.contains("not valid yet") || why.contains("notvalidyet") {
        "Compare the clocks of both machines; else that server shows a certificate ahead of its time."
            .to_owned()
    } else if why.contains("not valid for") || why.contains("notvalidforname") {
        format!(
            "Name the server in {host} as its certificate does, or have one issued that is of this name too."
        )
    } else if why.contains("unknownissuer") {
        format!("Name the CA that has signed it in {ca}, and see that the server sends its whole chain.")
    } else {
        format!(
            "See that TLS is spoken at this port (openssl s_client -connect HOST:PORT), and that {host} names the right one."
        )
    }
}

/// A certificate that ends soon.
pub fn renew(file: &str) -> String {
    format!("Renew {file} before that; a file that is replaced is read without a restart.")
}

/// A name that leads nowhere, though the DNS answers.
pub fn no_records(key: &str) -> String {
    format!("Correct the name in {key}, or add its records to the DNS.")
}

/// No DNS server answers.
pub fn no_dns(servers: &str) -> String {
    format!("See that this machine reaches the DNS servers of {servers}, by UDP and TCP port 53.")
}

/// Nobody answers a SIP request there.
pub fn no_sip(key: &str, section: &str) -> String {
    format!(
        "See that {key} is where the other side listens, that its firewall lets this machine in, and that it takes \
         requests from this machine's address ({GUIDE}, \"{section}\")."
    )
}

/// A SIP server that says that it cannot.
pub fn sip_unwell(section: &str) -> String {
    format!("It is reached and says that it cannot work now: look there ({GUIDE}, \"{section}\").")
}

/// A SIP server that lives but wants nothing to do with us.
pub fn sip_refuses(section: &str) -> String {
    format!(
        "It lives. If calls are refused too, let it take requests from this machine without a password ({GUIDE}, \"{section}\")."
    )
}

/// Nobody answers OPTIONS where something else shows whether the server lives.
pub fn no_options() -> String {
    "That is no harm where the next step is well; but a loss of that server is noticed later, so let it answer OPTIONS.".to_owned()
}

/// Nobody takes a connection.
pub fn no_connection(key: &str) -> String {
    format!(
        "See that {key} names the right host and port, that the service runs there, and that firewalls let this machine in."
    )
}

/// A password or user name that is wrong.
pub fn password(key: &str) -> String {
    format!(
        "Put the user name or {key} right and restart Ringpost; before you try it here again, see that the account is not \
         locked."
    )
}

/// An application that gets no token.
pub fn token(channel: &str) -> String {
    format!(
        "Compare token_url, client_id, scope and the secret or certificate of {channel} with the application's registration; \
         secrets end, by default within two years."
    )
}

/// Somebody else has the port.
pub fn port_taken(key: &str) -> String {
    format!("End that program, or choose another port in {key}.")
}

/// The refusals of a SIP server that wants to know who asks, or does not want us: `who` is the table of the site file.
pub fn sip_login(code: u16, realm: Option<&str>, who: &str) -> String {
    match (code, realm) {
        (401 | 407, Some(realm)) => {
            format!(
                "Set realm = \"{realm}\" in {who}, if that is whom login and password_file are meant for."
            )
        }
        (401 | 407, None) => format!("Name login and password_file in {who}."),
        _ => format!("Let that server allow it to whom {who} says that we are, or name another login there."),
    }
}
