//! What the programs in `probe/bpf` have in common that the kernel runs for the probe: how they are loaded, attached and
//! read, and what is said where the kernel does not take one. Each is used by itself.

use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use aya::programs::{BtfTracePoint, Iter};
use aya::{Btf, Ebpf, EbpfLoader};

use crate::process::tasks::{self, Tasks};
use crate::procfs;
use crate::socket::bpf::{self, Watch};
use crate::socket::datagram::{self, Datagrams};
use crate::socket::trouble::{self, Trouble};

/// How the verifier's account of a program ends.
const VERDICT: &str = "processed";

/// Where the host does not say which ports are for those who call.
const EPHEMERAL: (u16, u16) = (32_768, 60_999);
/// Of a thread that lets all others go before.
const PATIENT: i32 = 19;
const BROKEN: &str = "the thread that loads it is broken";

/// What the kernel runs beside what tells of connections, each by itself, or why it is not there, in words.
pub struct Others {
    pub datagrams: Result<Datagrams, String>,
    pub trouble: Result<Trouble, String>,
    pub tasks: Result<Tasks, String>,
}

/// Programs that are being loaded, in a thread of its own: what needs none of them is read meanwhile.
pub struct Opening {
    watch: Receiver<Result<Watch, String>>,
    others: Receiver<Others>,
}

impl Others {
    fn nothing(why: &str) -> Self {
        Self { datagrams: Err(why.to_owned()), trouble: Err(why.to_owned()), tasks: Err(why.to_owned()) }
    }
}

impl Opening {
    /// `ephemeral` is the host's range of ports for those who call; answers of DNS are heard where `hears_answers`.
    pub fn begin(proc_root: &Path, ephemeral: Option<(u16, u16)>, hears_answers: bool) -> Self {
        let proc_root = proc_root.to_owned();
        let (tell_watch, watch) = mpsc::channel();
        let (tell_others, others) = mpsc::channel();
        std::thread::spawn(move || {
            // Who does not want them any more is stopping.
            let tell_watch = |loaded| _ = tell_watch.send(loaded);
            let loaded = load(&proc_root, ephemeral, hears_answers, &tell_watch);
            _ = tell_others.send(loaded.unwrap_or_else(|why| {
                let nothing = Others::nothing(&why);
                tell_watch(Err(why));
                nothing
            }));
            // The kernel's types, read for a moment, are more than all that the probe keeps.
            crate::memory::give_back();
        });
        Self { watch, others }
    }

    /// Waits for what tells of connections, which is half of what there is to know; to be called once.
    pub fn watch(&self) -> Result<Watch, String> {
        self.watch.recv().unwrap_or_else(|_| Err(BROKEN.to_owned()))
    }

    /// The others; none while the kernel still looks at them.
    pub fn others(&self) -> Option<Others> {
        match self.others.try_recv() {
            Ok(others) => Some(others),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Others::nothing(BROKEN)),
        }
    }
}

fn load(
    proc_root: &Path,
    ephemeral: Option<(u16, u16)>,
    hears_answers: bool,
    tell_watch: &(impl Fn(Result<Watch, String>) + Sync),
) -> Result<Others, String> {
    let own = std::fs::read_link(proc_root.join("self/ns/pid")).ok().and_then(|link| procfs::bracketed(&link));
    let own = own.and_then(|inode| u32::try_from(inode).ok()).ok_or("its own pid namespace has no number")?;
    let (low, high) = ephemeral.unwrap_or(EPHEMERAL);
    // A loader reads the kernel's types by itself and keeps them to itself, and they are needed beside it: that takes
    // longest. One loader is enough for all.
    let (btf, mut loader) = std::thread::scope(|scope| {
        let btf = scope.spawn(Btf::from_sys_fs);
        let loader = EbpfLoader::new();
        (btf.join(), loader)
    });
    let btf = btf.map_err(|_| BROKEN)?.map_err(|error| format!("the kernel has no BTF: {error}"))?;
    loader.override_global("own_pid_namespace", &own, true);
    let hears_answers = u32::from(hears_answers);
    loader.override_global("hears_answers", &hears_answers, false);
    loader.override_global("ephemeral_low", &low, false).override_global("ephemeral_high", &high, false);
    let mut object = move |bytes| loader.load(bytes).map_err(|error| refused(&error));
    // The kernel looks at each program before it takes it: meanwhile the next ones are made ready.
    let others = std::thread::scope(|scope| {
        let sockets = object(bpf::OBJECT);
        scope.spawn(|| tell_watch(sockets.and_then(|sockets| Watch::load(sockets, &btf))));
        // Nobody waits for the others, and they would hold up who takes stock now.
        _ = rustix::process::nice(PATIENT);
        let datagrams = object(datagram::OBJECT);
        let datagrams = scope.spawn(|| Datagrams::load(datagrams?, &btf));
        let trouble = object(trouble::OBJECT);
        let trouble = scope.spawn(|| Trouble::load(trouble?, &btf));
        let tasks = object(tasks::OBJECT);
        drop(object);
        let tasks = tasks.and_then(|tasks| Tasks::load(tasks, proc_root, &btf));
        let datagrams = datagrams.join().map_err(|_| BROKEN.to_owned()).and_then(|loaded| loaded);
        let trouble = trouble.join().map_err(|_| BROKEN.to_owned()).and_then(|loaded| loaded);
        Others { datagrams, trouble, tasks }
    });
    Ok(others)
}

/// Attaches a program to a tracepoint, for as long as the programs are there.
pub fn trace(programs: &mut Ebpf, name: &str, tracepoint: &str, btf: &Btf) -> Result<(), String> {
    let found: &mut BtfTracePoint = program(programs, name)?.try_into().map_err(|error| refused(&error))?;
    found.load(tracepoint, btf).map_err(|error| refused(&error))?;
    found.attach().map_err(|error| refused(&error))?;
    Ok(())
}

/// Why the kernel does not take a program.
pub fn refused(error: &dyn std::error::Error) -> String {
    let why = whole(error);
    // Who has no right to ask gets no account of the program.
    let is_barred = ["not permitted", "denied"].iter().any(|word| why.contains(word)) && !why.contains(VERDICT);
    let advice = if is_barred { "; run the probe as root or with CAP_BPF and CAP_PERFMON" } else { "" };
    format!("the kernel refuses it: {why}{advice}")
}

/// Runs a program over all that there is of what it is for, and gives the records that it writes.
///
/// # Errors
/// Where the kernel lets nobody go through them.
pub fn pass(programs: &mut Ebpf, name: &str, bytes: usize, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let iterator: &mut Iter = program(programs, name)
        .and_then(|found| found.try_into().map_err(|error| format!("{error}")))
        .map_err(io::Error::other)?;
    let attached = iterator.attach().map_err(io::Error::other)?;
    let mut pass = iterator.take_link(attached).map_err(io::Error::other)?.into_file().map_err(io::Error::other)?;
    let mut buffer = vec![0; bytes * 512];
    let mut filled = 0;
    loop {
        let read = match pass.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(()),
            Ok(read) => filled + read,
            // It may be interrupted, or the kernel may want to be asked again.
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => continue,
            Err(error) => return Err(error),
        };
        let whole = read - read % bytes;
        buffer[..whole].chunks_exact(bytes).for_each(&mut each);
        buffer.copy_within(whole..read, 0);
        filled = read - whole;
    }
}

pub fn program<'a>(programs: &'a mut Ebpf, name: &str) -> Result<&'a mut aya::programs::Program, String> {
    programs.program_mut(name).ok_or_else(|| format!("the object lacks {name}"))
}

pub fn map(programs: &mut Ebpf, name: &str) -> Result<aya::maps::Map, String> {
    programs.take_map(name).ok_or_else(|| format!("the object lacks {name}"))
}

/// An error with what caused it.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    words.dedup();
    let text = words.join(": ");
    // What the verifier objects to stands at the end of its account, before how long that took.
    let account = [VERDICT, "verification time", "stack depth"];
    let is_of_account = |line: &str| account.iter().any(|begin| line.starts_with(begin));
    match text.lines().any(|line| line.starts_with(VERDICT)) {
        true => {
            let objection = text.lines().take_while(|line| !is_of_account(line)).last().unwrap_or_default();
            format!("{VERDICT} and found wrong: {objection}")
        }
        false => text.lines().next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::process::Command;

    /// All of them, on the kernel that the tests run on. It needs root, as the end-to-end tests do.
    pub fn programs(ephemeral: Option<(u16, u16)>, hears_answers: bool) -> (Result<Watch, String>, Others) {
        let opening = Opening::begin(Path::new("/proc"), ephemeral, hears_answers);
        (opening.watch(), opening.others.recv().unwrap())
    }

    /// Does it where nobody else is: in a network namespace that ends with it and has a loopback alone.
    pub fn apart<T: Send>(does: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            // SAFETY: nothing that threads share is taken from this one but where it is in the network.
            unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }.unwrap();
            run("ip link set lo up");
            does()
        };
        std::thread::scope(|scope| scope.spawn(inside).join()).unwrap()
    }

    /// Runs a command of the host's, in the network namespace of who calls this.
    pub fn run(line: &str) {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap());
        assert!(command.args(words).status().unwrap().success(), "{line}");
    }
}
