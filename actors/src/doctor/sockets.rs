//! Who has which port, as the kernel tells it in /proc; nothing is opened for it.

use std::{collections::HashSet, fs, net::IpAddr};

/// A port that is taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// The local address; unspecified: all of this machine.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    inode: u64,
}

/// Which table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Table {
    /// Datagrams.
    Udp,
    /// Listeners of streams.
    Tcp,
}

/// Everything taken; `None` where the system does not tell.
pub fn taken(table: Table) -> Option<Vec<Taken>> {
    let (name, listens) = match table {
        Table::Udp => ("udp", None),
        Table::Tcp => ("tcp", Some("0A")),
    };
    let four = fs::read_to_string(format!("/proc/net/{name}")).ok()?;
    let six = fs::read_to_string(format!("/proc/net/{name}6")).unwrap_or_default();
    Some(four.lines().skip(1).chain(six.lines().skip(1)).filter_map(|line| read(line, listens)).collect())
}

/// `sl local_address rem_address st … inode`, the address in hexadecimal of the machine's byte order.
fn read(line: &str, state: Option<&str>) -> Option<Taken> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = words.get(1)?.split_once(':')?;
    if state.is_some_and(|state| words.get(3) != Some(&state)) {
        return None;
    }
    let word = |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let octets: Vec<u8> = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            IpAddr::from(<[u8; 16]>::try_from(octets).ok()?)
        }
        _ => return None,
    };
    Some(Taken { ip, port: u16::from_str_radix(port, 16).ok()?, inode: words.get(9)?.parse().ok()? })
}

impl Taken {
    /// Whether a socket at that address cannot be opened beside it.
    pub fn is_in_the_way_of(&self, ip: IpAddr, port: u16) -> bool {
        let same = self.ip == ip || self.ip.is_unspecified() || ip.is_unspecified();
        // An IPv6 socket that takes IPv4 too has the unspecified address.
        let families = self.ip.is_ipv4() == ip.is_ipv4() || self.ip.is_unspecified();
        self.port == port && same && families
    }
}

/// The processes that hold one of these, `name (process 12)`, as far as this user may see them.
pub fn owners(sockets: &[&Taken]) -> Vec<(i32, String)> {
    let wanted: HashSet<String> = sockets.iter().map(|one| format!("socket:[{}]", one.inode)).collect();
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let holds = |pid: &i32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|link| link.to_str().is_some_and(|link| wanted.contains(link)))
    };
    let name = |pid: i32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        (pid, name.trim().to_owned())
    };
    numbers.filter(holds).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_in_the_way_of_itself_and_of_all_addresses() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let (ip, port) = (IpAddr::from([127, 0, 0, 1]), socket.local_addr().expect("bound").port());
        let all = taken(Table::Udp).expect("/proc");
        let mine: Vec<&Taken> = all.iter().filter(|one| one.is_in_the_way_of(ip, port)).collect();
        assert_eq!(mine.len(), 1);
        assert!(mine[0].is_in_the_way_of([0, 0, 0, 0].into(), port));
        assert!(!mine[0].is_in_the_way_of([127, 0, 0, 2].into(), port));
        assert!(!mine[0].is_in_the_way_of(ip, port.wrapping_add(1)));
        let owners = owners(&mine);
        assert!(owners.iter().any(|(pid, _)| *pid == std::process::id() as i32), "{owners:?}");
    }
}
