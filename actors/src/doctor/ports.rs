//! The ports of the site: free, held by its own Ringpost, or by somebody else.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener, UdpSocket},
    rc::Rc,
};

use ringpost::{doctor::advice, settings::Transport};

use super::{
    Ward,
    chain::{Chain, End, Sheet, beside},
    sockets::{Table, Taken, owners, taken},
};

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let site = &ward.site;
    let sip = site.sip.listen.iter().map(|listen| {
        let table = if listen.transport == Transport::Udp { Table::Udp } else { Table::Tcp };
        (listen.transport.name().to_ascii_lowercase(), table, listen.address, "sip.listen")
    });
    let metrics =
        site.metrics.listen.map(|address| ("metrics".to_owned(), Table::Tcp, address, "metrics.listen"));
    let http = site.http.listen.iter();
    let http = http.map(|listen| (listen.scheme().to_owned(), Table::Tcp, listen.address, "http.listen"));
    let chain = |(name, table, address, key): (String, Table, SocketAddr, &'static str)| {
        let ward = Rc::clone(ward);
        Chain::one(&format!("port.{name}:{address}"), move |sheet| async move {
            judged(&sheet, &ward, (table, address, key)).await
        })
    };
    sip.chain(metrics).chain(http).map(chain).collect()
}

async fn judged(sheet: &Sheet, ward: &Ward, (table, address, key): (Table, SocketAddr, &str)) -> End {
    let (held, by) = beside(move || {
        let held: Vec<Taken> = taken(table).into_iter().flatten().collect();
        let held: Vec<Taken> =
            held.into_iter().filter(|one| one.is_in_the_way_of(address.ip(), address.port())).collect();
        let by = owners(&held.iter().collect::<Vec<_>>());
        (!held.is_empty(), by)
    })
    .await;
    if !held {
        return opens(sheet, table, address, key);
    }
    let others: Vec<String> = by
        .iter()
        .filter(|(pid, _)| Some(*pid) != ward.program.pid)
        .map(|(pid, name)| format!("{name} (process {pid})"))
        .collect();
    if !others.is_empty() {
        return sheet.failed(&format!("held by {}", others.join(", ")), advice::port_taken(key));
    }
    match (by.is_empty(), ward.program.runs()) {
        (false, _) => sheet.ok("held by the Ringpost that runs"),
        (true, true) => {
            sheet.note("held, most likely by the Ringpost that runs; this user may not see by whom", None)
        }
        (true, false) => {
            let said = "held by somebody whom this user may not see, and no Ringpost of this site runs";
            return sheet.failed(said, advice::port_taken(key));
        }
    }
    Some(())
}

/// Opens it for a moment: only where nobody has it, so that nobody's calls come here.
fn opens(sheet: &Sheet, table: Table, address: SocketAddr, key: &str) -> End {
    let opened = match table {
        Table::Udp => UdpSocket::bind(address).map(drop),
        Table::Tcp => TcpListener::bind(address).map(drop),
    };
    match opened.map_err(|error| (error.kind(), error)) {
        Ok(()) => {
            sheet.ok("free");
            Some(())
        }
        Err((ErrorKind::AddrNotAvailable, _)) => {
            let remedy =
                format!("Name an address of this machine in {key} (ip address), or 0.0.0.0 for all of them.");
            sheet.failed("this machine has no such address", remedy)
        }
        Err((ErrorKind::PermissionDenied, _)) => {
            let remedy =
                "Give the service AmbientCapabilities=CAP_NET_BIND_SERVICE, or choose a port from 1024 on.";
            sheet.failed("this user may not open it", remedy.to_owned())
        }
        Err((_, error)) => sheet.failed(&format!("it cannot be opened: {error}"), advice::port_taken(key)),
    }
}
