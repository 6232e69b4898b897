//! A naive model of byte-range locks on two small files: who holds each byte, and who waits. Everything is worked out anew
//! from that, byte by byte.

use proptest::prelude::*;

use super::*;

const BYTES: usize = 12;
const OWNERS: usize = 4;
const FILES: usize = 2;
/// Fewer than [`LOCK_OVERTAKES`], so that the model need not know of overtaking.
const STEPS: usize = 60;

#[derive(Debug, Clone)]
enum Op {
    Set(Request),
    Wait(Request),
    Unlock(Request),
    Release {
        file: usize,
        owner: usize,
    },
    Forget {
        file: usize,
        owner: usize,
    },
    /// The n-th of all waits, in the order in which they were made.
    Cancel(usize),
}

#[derive(Debug, Clone, Copy)]
struct Request {
    file: usize,
    owner: usize,
    kind: LockKind,
    start: usize,
    end: usize,
}

impl Request {
    fn lock(&self) -> Lock {
        lock(self.kind, self.start as u64, self.end as u64)
    }
}

struct Wait {
    index: usize,
    request: Request,
    /// As far as looked at: of those in a ring, the wait that somebody new blocks is the one to refuse.
    known: Vec<usize>,
}

#[derive(Default)]
struct Model {
    held: [[[Option<LockKind>; BYTES]; OWNERS]; FILES],
    waits: Vec<Wait>,
    told: Said<usize>,
}

impl Model {
    fn blockers(&self, request: &Request) -> Vec<usize> {
        let conflicts = |held: Option<LockKind>| held.is_some_and(|kind| kind == Write || request.kind == Write);
        let blocks = |owner: &usize| {
            let bytes = &self.held[request.file][*owner][request.start..=request.end];
            *owner != request.owner && bytes.iter().any(|held| conflicts(*held))
        };
        (0..OWNERS).filter(blocks).collect()
    }

    fn fill(&mut self, request: &Request, with: Option<LockKind>) {
        self.held[request.file][request.owner][request.start..=request.end].fill(with);
    }

    fn is_deadlocked(&self, request: &Request) -> bool {
        let mut reached = [false; OWNERS];
        let mut open = self.blockers(request);
        while let Some(owner) = open.pop() {
            if !std::mem::replace(&mut reached[owner], true) {
                let waits = self.waits.iter().filter(|wait| wait.request.owner == owner);
                open.extend(waits.flat_map(|wait| self.blockers(&wait.request)));
            }
        }
        reached[request.owner]
    }

    fn set(&mut self, request: &Request) -> Result<()> {
        if !self.blockers(request).is_empty() {
            return Err(Error::WouldBlock);
        }
        self.fill(request, Some(request.kind));
        self.settle(request.file);
        Ok(())
    }

    fn wait(&mut self, index: usize, request: &Request) -> Result<bool> {
        if self.blockers(request).is_empty() {
            self.set(request)?;
            return Ok(false);
        }
        if self.is_deadlocked(request) {
            return Err(Error::Deadlock);
        }
        self.waits.push(Wait { index, request: *request, known: self.blockers(request) });
        Ok(true)
    }

    fn end(&mut self, at: usize, result: Result<()>) {
        let wait = self.waits.remove(at);
        self.told.push((wait.index, result));
    }

    fn settle(&mut self, file: usize) {
        while self.grant_in_order(file) || self.refuse_newly_blocked(file) {}
    }

    fn grant_in_order(&mut self, file: usize) -> bool {
        let (mut at, mut moved) = (0, false);
        while at < self.waits.len() {
            let request = self.waits[at].request;
            if request.file == file && self.blockers(&request).is_empty() {
                self.fill(&request, Some(request.kind));
                self.end(at, Ok(()));
                moved = true;
            } else {
                at += 1;
            }
        }
        moved
    }

    fn refuse_newly_blocked(&mut self, file: usize) -> bool {
        let mut newly = Vec::new();
        for at in 0..self.waits.len() {
            let now = self.blockers(&self.waits[at].request);
            let wait = &mut self.waits[at];
            if now.iter().any(|owner| !wait.known.contains(owner)) {
                assert_eq!(wait.request.file, file);
                newly.push(wait.index);
            }
            wait.known = now;
        }
        let before = self.waits.len();
        for index in newly {
            let at = self.waits.iter().position(|wait| wait.index == index).unwrap();
            if self.is_deadlocked(&self.waits[at].request) {
                self.end(at, Err(Error::Deadlock));
            }
        }
        self.waits.len() < before
    }

    fn cancel(&mut self, index: usize) -> bool {
        let Some(at) = self.waits.iter().position(|wait| wait.index == index) else { return false };
        let file = self.waits[at].request.file;
        self.end(at, Err(Error::Cancelled));
        self.settle(file);
        true
    }

    fn forget(&mut self, file: usize, owner: usize) {
        let is_its = |wait: &Wait| wait.request.file == file && wait.request.owner == owner;
        while let Some(at) = self.waits.iter().position(is_its) {
            self.end(at, Err(Error::Cancelled));
        }
        self.release(file, owner);
    }

    fn release(&mut self, file: usize, owner: usize) {
        self.held[file][owner].fill(None);
        self.settle(file);
    }
}

fn request() -> impl Strategy<Value = Request> {
    let kind = prop_oneof![Just(Read), Just(Write)];
    (0..FILES, 0..OWNERS, kind, 0..BYTES, 0..BYTES).prop_map(|(file, owner, kind, one, other)| Request {
        file,
        owner,
        kind,
        start: one.min(other),
        end: one.max(other),
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => request().prop_map(Op::Set),
        6 => request().prop_map(Op::Wait),
        4 => request().prop_map(Op::Unlock),
        1 => (0..FILES, 0..OWNERS).prop_map(|(file, owner)| Op::Release { file, owner }),
        1 => (0..FILES, 0..OWNERS).prop_map(|(file, owner)| Op::Forget { file, owner }),
        1 => (0..STEPS).prop_map(Op::Cancel),
    ]
}

fn inode(file: usize) -> InodeId {
    InodeId(100 + file as u64)
}

/// The table under test, and what its callbacks said.
struct Tested {
    locks: LockTable,
    waits: Vec<Option<WaitId>>,
    told: Arc<Mutex<Said<usize>>>,
}

impl Tested {
    fn wait(&mut self, request: &Request) -> Result<bool> {
        let (told, index) = (self.told.clone(), self.waits.len());
        let done = Box::new(move |result| told.lock().push((index, result)));
        let answer = self.locks.wait(inode(request.file), Range, request.owner as u64, request.lock(), done);
        self.waits.push(answer.clone().ok().flatten());
        answer.map(|wait| wait.is_some())
    }

    fn bytes(&self, file: usize, owner: usize) -> [Option<LockKind>; BYTES] {
        let mut bytes = [None; BYTES];
        for (kind, start, end) in self.locks.held(inode(file), Range, owner as u64) {
            bytes[start as usize..=end as usize].fill(Some(kind));
        }
        bytes
    }

    fn assert_equals(&self, model: &Model) {
        assert_eq!(*self.told.lock(), model.told);
        let mut spans = 0;
        for file in 0..FILES {
            for owner in 0..OWNERS {
                assert_eq!(self.bytes(file, owner), model.held[file][owner], "file {file} owner {owner}");
                let held = self.locks.held(inode(file), Range, owner as u64);
                let merged = |pair: &[(LockKind, u64, u64)]| pair[0].2 + 1 < pair[1].1 || pair[0].0 != pair[1].0;
                assert!(held.windows(2).all(merged), "{held:?}");
                spans += held.len();
            }
        }
        assert_eq!(self.locks.used(), spans + model.waits.len());
    }
}

fn play(ops: &[Op]) {
    let mut model = Model::default();
    let mut tested = Tested { locks: LockTable::new(Ledger::of_tests()), waits: Vec::new(), told: Default::default() };
    for op in ops {
        apply(op, &mut model, &mut tested);
        tested.assert_equals(&model);
    }
    for (file, owner) in (0..FILES).flat_map(|file| (0..OWNERS).map(move |owner| (file, owner))) {
        tested.locks.forget_owner(inode(file), Range, owner as u64);
    }
    tested.locks.assert_unused();
}

fn apply(op: &Op, model: &mut Model, tested: &mut Tested) {
    match *op {
        Op::Set(r) => {
            let answer = tested.locks.set(inode(r.file), Range, r.owner as u64, r.lock());
            assert_eq!(answer, model.set(&r));
        }
        Op::Wait(r) => {
            let index = tested.waits.len();
            assert_eq!(tested.wait(&r), model.wait(index, &r));
        }
        Op::Unlock(r) => {
            let (start, end) = (r.start as u64, r.end as u64);
            tested.locks.unlock(inode(r.file), Range, r.owner as u64, start, end).unwrap();
            model.fill(&r, None);
            model.settle(r.file);
        }
        Op::Release { file, owner } => {
            tested.locks.release_owner(inode(file), Range, owner as u64);
            model.release(file, owner);
        }
        Op::Forget { file, owner } => {
            tested.locks.forget_owner(inode(file), Range, owner as u64);
            model.forget(file, owner);
        }
        Op::Cancel(nth) => {
            let wait = tested.waits.get(nth).copied().flatten();
            assert_eq!(wait.is_some_and(|wait| tested.locks.cancel(wait)), model.cancel(nth));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_table_does_what_a_model_of_bytes_does(ops in prop::collection::vec(op(), 1..STEPS)) {
        play(&ops);
    }
}
