//! The load generator: one thread, any number of connections, so many requests under way on each.
//!
//! It shares the machine's cores with what it measures, so it is lean: one read and one write per connection that has
//! something, whatever it has. It knows sockets and time; what is asked and what an answer is worth is a [`Caller`]'s.

pub mod channel;
pub mod direct;
pub mod floor;
pub mod http;
pub mod sample;
pub mod sshagent;
pub mod stream;

use crate::clock::now;
use anyhow::{Context, ensure};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    fd::{AsFd, BorrowedFd, OwnedFd},
};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// Numbers under way on one connection lie within so many of each other.
const RING: usize = 1024;
const READ: usize = 256 * 1024;

/// What an answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked for.
    Issued,
    /// No, under the seal.
    Denied,
    /// Not now, without a decision.
    Refused,
}

/// One connection's protocol.
pub trait Caller {
    /// Appends the next request; its number, one more than the last.
    fn ask(&mut self, out: &mut Vec<u8>) -> anyhow::Result<usize>;
    /// Takes one whole answer off the front, if it is there: the number it answers, and what it was.
    fn answer(&mut self, bytes: &mut &[u8]) -> anyhow::Result<Option<(usize, Outcome)>>;
}

/// A connected socket.
pub enum Socket {
    /// Loopback TCP.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
}

impl Socket {
    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.set_nonblocking(true),
            Self::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(out),
            Self::Unix(socket) => socket.read(out),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Unix(socket) => socket.write(bytes),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// How long each answer was waited for, in nanoseconds, by what it was.
#[derive(Debug, Default)]
pub struct Tally {
    /// Credentials.
    pub issued: Vec<u64>,
    /// Denials.
    pub denied: Vec<u64>,
    /// Refusals.
    pub refused: Vec<u64>,
}

struct Lane {
    socket: Socket,
    caller: Box<dyn Caller>,
    started: Vec<Instant>,
    under_way: usize,
    unread: Vec<u8>,
    unsent: Vec<u8>,
    waits_for_room: bool,
    depth: usize,
    /// Whether it asks when others ask, not when it is answered.
    is_beside: bool,
}

/// Connections under load.
pub struct Load {
    lanes: Vec<Lane>,
    epoll: OwnedFd,
    buffer: Vec<u8>,
}

impl Load {
    /// Connections, each with so many requests to be kept under way.
    pub fn new(lanes: Vec<(Socket, Box<dyn Caller>)>, depth: usize) -> anyhow::Result<Self> {
        ensure!((1..=RING / 2).contains(&depth), "too deep");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut made = Vec::with_capacity(lanes.len());
        for (place, (socket, caller)) in lanes.into_iter().enumerate() {
            socket.set_nonblocking()?;
            epoll::add(&epoll, &socket, data(place), epoll::EventFlags::IN)?;
            made.push(Lane {
                socket,
                caller,
                started: vec![now(); RING],
                under_way: 0,
                unread: Vec::new(),
                unsent: Vec::new(),
                waits_for_room: false,
                depth,
                is_beside: false,
            });
        }
        Ok(Self {
            lanes: made,
            epoll,
            buffer: vec![0; READ],
        })
    }

    /// One more connection, which asks when others ask, unless it still waits for its answer.
    pub fn beside(mut self, (socket, caller): (Socket, Box<dyn Caller>)) -> anyhow::Result<Self> {
        let mut one = Self::new(vec![(socket, caller)], 1)?;
        let mut lane = one.lanes.pop().context("a lane")?;
        lane.is_beside = true;
        let place = data(self.lanes.len());
        epoll::add(&self.epoll, &lane.socket, place, epoll::EventFlags::IN)?;
        self.lanes.push(lane);
        Ok(self)
    }

    /// Keeps every connection busy for so long. What is under way at the end is still under way afterwards.
    pub fn run(&mut self, length: Duration) -> anyhow::Result<Tally> {
        let end = now() + length;
        let mut tally = Tally::default();
        for place in 0..self.lanes.len() {
            self.fill(place)?;
        }
        while now() < end {
            self.turn(&mut tally, true, end)?;
        }
        Ok(tally)
    }

    /// Waits for what is still under way; an error where it does not come.
    pub fn drain(&mut self) -> anyhow::Result<()> {
        let end = now() + Duration::from_secs(20);
        let mut tally = Tally::default();
        while self.lanes.iter().any(|lane| lane.under_way > 0) {
            ensure!(now() < end, "calls were not answered");
            self.turn(&mut tally, false, end)?;
        }
        Ok(())
    }

    fn turn(&mut self, tally: &mut Tally, asks: bool, end: Instant) -> anyhow::Result<()> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
        let patience = Timespec::try_from(end.saturating_duration_since(now()))?;
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&patience)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events {
            // The kernel packs them: fields are copied out.
            let (flags, data) = (event.flags, event.data);
            let place = usize::try_from(data.u64())?;
            if flags.contains(epoll::EventFlags::OUT) {
                self.send(place)?;
            } else {
                self.receive(place, tally, asks)?;
            }
        }
        Ok(())
    }

    /// Others have asked: so do those who ask when they do.
    fn join_in(&mut self, at: Instant) -> anyhow::Result<()> {
        for place in 0..self.lanes.len() {
            let lane = &mut self.lanes[place];
            if lane.is_beside && lane.under_way == 0 {
                lane.ask(at)?;
                self.send(place)?;
            }
        }
        Ok(())
    }

    fn fill(&mut self, place: usize) -> anyhow::Result<()> {
        let lane = &mut self.lanes[place];
        let start = now();
        while lane.under_way < lane.depth {
            lane.ask(start)?;
        }
        self.send(place)
    }

    fn receive(&mut self, place: usize, tally: &mut Tally, asks: bool) -> anyhow::Result<()> {
        let lane = &mut self.lanes[place];
        let count = match lane.socket.read(&mut self.buffer) {
            Ok(0) => anyhow::bail!("the server closed a connection"),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let at = now();
        if lane.unread.is_empty() {
            let mut rest = &self.buffer[..count];
            lane.take(&mut rest, at, tally, asks)?;
            lane.unread.extend_from_slice(rest);
        } else {
            lane.unread.extend_from_slice(&self.buffer[..count]);
            let whole = std::mem::take(&mut lane.unread);
            let mut rest = &whole[..];
            lane.take(&mut rest, at, tally, asks)?;
            lane.unread.extend_from_slice(rest);
        }
        if asks && !lane.is_beside {
            self.join_in(at)?;
        }
        self.send(place)
    }

    fn send(&mut self, place: usize) -> anyhow::Result<()> {
        let lane = &mut self.lanes[place];
        let mut sent = 0;
        while sent < lane.unsent.len() {
            match lane.socket.write(&lane.unsent[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("write"),
            }
        }
        lane.unsent.drain(..sent);
        let waits = !lane.unsent.is_empty();
        if waits != lane.waits_for_room {
            let more = if waits {
                epoll::EventFlags::OUT
            } else {
                epoll::EventFlags::empty()
            };
            let flags = epoll::EventFlags::IN | more;
            epoll::modify(&self.epoll, &lane.socket, data(place), flags)?;
            lane.waits_for_room = waits;
        }
        Ok(())
    }
}

fn data(place: usize) -> epoll::EventData {
    epoll::EventData::new_u64(place as u64)
}

impl Lane {
    fn ask(&mut self, start: Instant) -> anyhow::Result<()> {
        let number = self.caller.ask(&mut self.unsent)?;
        self.started[number % RING] = start;
        self.under_way += 1;
        Ok(())
    }

    fn take(
        &mut self,
        bytes: &mut &[u8],
        at: Instant,
        tally: &mut Tally,
        asks: bool,
    ) -> anyhow::Result<()> {
        let asks = asks && !self.is_beside;
        while let Some((number, outcome)) = self.caller.answer(bytes)? {
            let waited = at.saturating_duration_since(self.started[number % RING]);
            let waits = match outcome {
                Outcome::Issued => &mut tally.issued,
                Outcome::Denied => &mut tally.denied,
                Outcome::Refused => &mut tally.refused,
            };
            waits.push(u64::try_from(waited.as_nanos())?);
            self.under_way -= 1;
            // Whoever is refused waits until there is room again: until something else was answered.
            while asks && outcome != Outcome::Refused && self.under_way < self.depth {
                self.ask(at)?;
            }
        }
        if asks && self.under_way == 0 {
            self.ask(at)?;
        }
        Ok(())
    }
}
