//! `ringpost route` (R37): the text to the letter, JSON, exit codes, without and beside a Ringpost that runs.

use std::{path::Path, process::Command};

use crate::support::{Over, Peer, Site, until};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sites/routes-fault-tolerant.toml");

/// Exit code, output and complaints.
fn route(config: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    let done = command.arg("route").args(words).arg("--config").arg(config).output().expect("it runs");
    let text = |octets| String::from_utf8(octets).expect("UTF-8");
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[test]
fn r37_a_dry_run_prints_policy_usage_route_gateway_and_what_would_be_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = folder.path().join("site.toml");
    std::fs::copy(SAMPLE, &sample).expect("the sample is there");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/dry_run.txt");
    let mut text = String::new();
    for (words, code) in [
        (&["+4533112233", "--as", "1001"][..], 0),
        (&["004633112233", "--as", "sip:1001@example.com"], 0),
        (&["+4633112233", "--as", "1002"], 1),
        (&["+1900555", "--as", "1001"], 1),
        (&["+4520202020", "--as", "1002", "--diverting", "+4544890101"], 0),
        (&["1002", "--as", "1001"], 0),
        (&["1777", "--as", "1001"], 1),
        (&["+4533112233", "--as", "odense"], 1),
    ] {
        let (exit, said, complaint) = route(&sample, words);
        assert_eq!((exit, complaint.as_str()), (Some(code), ""), "{words:?}\n{said}");
        text += &format!("$ ringpost route {}\n{said}\n", words.join(" "));
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, &text).expect("written");
    }
    assert_eq!(text, std::fs::read_to_string(&golden).expect("the golden file"));
}

#[test]
fn r37_json_unknown_names_and_broken_sites() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = folder.path().join("site.toml");
    std::fs::copy(SAMPLE, &sample).expect("the sample is there");
    let (code, said, _) = route(&sample, &["+4533112233", "--as", "1001", "--json"]);
    let read: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, said.lines().count()), (Some(0), 1));
    assert_eq!(read["verdict"]["leaves"]["gateway"], "aarhus-1");
    assert_eq!(read["steps"][1]["gateways"][0]["fate"], "spare");
    assert_eq!(read["policy"]["of"], "the user");
    let (code, said, complaint) = route(&sample, &["+4533112233", "--as", "nobody"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert_eq!(complaint, "ringpost: \"nobody\" is no user and no trunk of this site\n");
    std::fs::write(&sample, "[routing]\nprobe = \"prayers\"\n").expect("written");
    assert_eq!(route(&sample, &["+4533112233", "--as", "1001"]).0, Some(64));
}

#[test]
fn a_site_without_routes_is_explained_by_its_trunks() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = folder.path().join("site.toml");
    let text = "[outbound]\nallowed_prefixes = [\"+45\"]\ncountry = \"45\"\nnational_prefix = \"\"\n\
        [[trunk]]\nname = \"pbx\"\nsources = [\"192.0.2.1\"]\n\
        [[trunk]]\nname = \"one\"\nsources = [\"192.0.2.2\"]\ntarget = \"sip:192.0.2.2\"\nprefixes = [\"+45\"]\n\
        [[trunk]]\nname = \"two\"\nsources = [\"192.0.2.3\"]\ntarget = \"sip:192.0.2.3\"\nprefixes = [\"+45\"]\n\
        [[trunk]]\nname = \"three\"\nsources = [\"192.0.2.4\"]\ntarget = \"sip:192.0.2.4\"\nprefixes = [\"+46\"]\n\
        [[user]]\naddress = \"sip:7@x.test\"\nnumbers = [\"7\"]\n";
    std::fs::write(&site, text).expect("written");
    let (code, said, _) = route(&site, &["004533", "--as", "7"]);
    let expected = "+4533, dialled by user sip:7@x.test as 004533
no live state: no running Ringpost was reached, so every gateway counts as up
allowed_prefixes: allowed by \"+45\"
no routes: the trunks' own numbers and prefixes decide

in the order of the site
  trunk one would be taken
  trunk two would be tried next

not tried
  trunk pbx: has no target
  trunk three: does not serve the number

takes trunk one

would be sent
  INVITE sip:+4533@192.0.2.2 SIP/2.0
  From: <sip:7@localhost>
  To: <sip:+4533@192.0.2.2>
";
    assert_eq!((code, said.as_str()), (Some(0), expected));
}

/// A line that is still at its PBX, and what the PBX writes, as calls take them (R25, R37).
#[test]
fn r37_lines_and_what_trunks_write_are_explained_as_calls_take_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = folder.path().join("site.toml");
    let sample =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sites/extensions-behind-a-main-number.toml");
    let text = std::fs::read_to_string(sample).expect("the sample is there").replace("\"+45\"]", "]");
    let text =
        text + "[attendant.hall]\nnumbers = [\"+4544890199\"]\n[um.plan.main]\nservers = [\"embedded\"]\n";
    std::fs::write(&site, text).expect("written");
    let (code, said, complaint) = route(&site, &["240", "--as", "tor"]);
    let expected = "+4544890101;ext=240, dialled by user sip:tor@example.com as 240
no live state: no running Ringpost was reached, so every gateway counts as up
a line behind a main number: its PBX takes it, whatever allowed_prefixes says
no routes: the trunks' own numbers and prefixes decide

where the line is
  trunk pbx would be taken

in the order of the site
  trunk provider is not tried: allowed_prefixes

takes trunk pbx

would be sent
  INVITE sip:240@192.0.2.10 SIP/2.0
  From: \"Tor U\" <sip:200@example.com>
  To: <sip:240@192.0.2.10>
";
    assert_eq!((code, said.as_str(), complaint.as_str()), (Some(0), expected, ""));
    for (number, by, inside) in [
        (
            "201",
            "pbx",
            "+4544890101;ext=201, dialled by trunk pbx as 201\nstays inside: reaches user sip:ada@example.com\n",
        ),
        (
            "44890199",
            "tor",
            "+4544890199, dialled by user sip:tor@example.com as 44890199\nstays inside: reaches attendant hall\n",
        ),
    ] {
        let (code, said, _) = route(&site, &[number, "--as", by]);
        assert_eq!((code, said.as_str()), (Some(0), inside));
    }
}

#[test]
fn r37_beside_a_ringpost_that_runs_the_gateways_are_as_they_are() {
    let mut site = Site::new();
    let first = Peer::new(Over::Udp, "127.0.0.11", site.sip);
    let second = Peer::new(Over::Udp, "127.0.0.12", site.sip);
    for (name, peer, lines) in
        [("one", &first, "keep_alive = \"1s\"\nfailures = 1\ntimeout = \"100ms\""), ("two", &second, "")]
    {
        let (ip, port) = (peer.address.ip(), peer.address.port());
        site = site.table(&format!(
            "[[trunk]]\nname = {name:?}\nsources = [\"{ip}\"]\ntarget = \"sip:{ip}:{port}\"\n{lines}"
        ));
    }
    let site = site.table(
        "[outbound]\nallowed_prefixes = [\"+\"]\n[[route]]\nname = \"all\"\npattern = \"[+]\"\nusages = [\"all\"]\n\
         gateways = [\"one\", \"two\"]\n[voice_policy.all]\nusages = [\"all\"]\n[routing]\nvoice_policy = \"all\"",
    );
    let ringpost = site.user("1001", &[], "missed_calls = \"off\"").start();
    let config = ringpost.folder.path().join("site.toml");
    // Nobody answers the OPTIONS of the first.
    let mut said = String::new();
    until("the first is down", || {
        said = route(&config, &["+4533", "--as", "1001"]).1;
        said.contains("gateway one is down since ")
    });
    assert!(!said.contains("no live state") && said.contains("gateway two would be taken"), "{said}");
    assert!(said.contains("takes route all, gateway two"), "{said}");
    ringpost.stops_well();
}
