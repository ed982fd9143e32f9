//! A name server on loopback that says what a test tells it to, and notes what it is asked.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};

#[derive(Default)]
struct Told {
    /// What a name leads to at each look-up; the last one stays.
    answers: HashMap<String, Vec<Vec<IpAddr>>>,
    asked: Vec<String>,
}

pub(crate) struct Names {
    pub(crate) at: SocketAddr,
    told: Arc<Mutex<Told>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let at = socket.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Told::default()));
        let over = Arc::new(AtomicBool::new(false));
        let (answers, ends) = (told.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            let mut packet = [0; 1_500];
            while !ends.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut packet) else {
                    continue;
                };
                if let Some(answer) = answer(&packet[..length], &answers) {
                    let _asker_gone = socket.send_to(&answer, from);
                }
            }
        });
        Self {
            at,
            told,
            over,
            thread: Some(thread),
        }
    }

    /// What the name leads to.
    pub(crate) fn say(&self, name: &str, addresses: &[&str]) {
        self.say_in_turn(name, &[addresses]);
    }

    /// What it leads to at the first look-up, the second, and so on.
    pub(crate) fn say_in_turn(&self, name: &str, turns: &[&[&str]]) {
        let turns = turns.iter().map(|addresses| {
            let addresses = addresses.iter().map(|text| text.parse().unwrap());
            addresses.collect()
        });
        let mut told = self.told.lock().unwrap();
        told.answers.insert(format!("{name}."), turns.collect());
    }

    /// Names that were asked for, each as often as it was.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.told.lock().unwrap().asked.clone()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn answer(packet: &[u8], told: &Mutex<Told>) -> Option<Vec<u8>> {
    let mut message = Message::from_vec(packet).ok()?;
    let query = message.queries.first()?.clone();
    let name = query.name().to_ascii().to_lowercase();
    let mut told = told.lock().unwrap();
    let mut given = Vec::new();
    let mut is_known = false;
    if let Some(turns) = told.answers.get_mut(&name) {
        is_known = true;
        let first = turns.first().cloned().unwrap_or_default();
        for address in &first {
            let data = match (address, query.query_type()) {
                (IpAddr::V4(address), RecordType::A) => RData::A((*address).into()),
                (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA((*address).into()),
                _ => continue,
            };
            // Long enough that whoever remembers it is found out.
            given.push(Record::from_rdata(query.name().clone(), 60, data));
        }
        // The second question of a look-up belongs to the same turn.
        if turns.len() > 1 && query.query_type() == RecordType::A {
            turns.remove(0);
        }
    }
    told.asked.push(name.trim_end_matches('.').to_owned());
    message.metadata.message_type = MessageType::Response;
    if !is_known {
        message.metadata.response_code = ResponseCode::NXDomain;
    }
    message.add_answers(given);
    message.additionals.clear();
    message.to_vec().ok()
}
