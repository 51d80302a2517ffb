//! The files of one disk: names as the operating system sees them and as they are durable.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::rand_core::Rng;

use super::image::FileImage;
use super::inode::Inode;
use super::survival::{CrashMode, CrashReport, Survival};

/// Names one inode of one disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InodeId(u64);

/// All files of a disk.
///
/// A name that was made or removed is durable when any file is synced after it, as on file systems
/// that journal their directories, or when a removal asks for it; until then a power loss may leave
/// either view. (Were names durable only with a sync of the directory, a rollback journal that
/// SQLite deleted could come back much later and undo what was committed since: SQLite counts on
/// the directory not lagging behind for ever.)
#[derive(Clone, Default)]
pub(super) struct FileTable {
    inodes: BTreeMap<InodeId, Inode>,
    names: BTreeMap<String, InodeId>,
    durable_names: BTreeMap<String, InodeId>,
    /// For names whose two views differ: the sequence number of the newest change.
    renamed_at: BTreeMap<String, u64>,
    last_inode: u64,
    last_sequence: u64,
}

impl FileTable {
    /// Files all of whose bytes and names are durable.
    pub(super) fn from_images(images: &BTreeMap<String, FileImage>) -> Self {
        let mut table = Self::default();
        for (name, image) in images {
            table.put(name, image.clone());
        }
        table
    }

    pub(super) fn images(&self) -> BTreeMap<String, FileImage> {
        self.view(&self.names, Inode::current)
    }

    pub(super) fn durable_images(&self) -> BTreeMap<String, FileImage> {
        self.view(&self.durable_names, Inode::durable_image)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.keys()
    }

    pub(super) fn find(&self, name: &str) -> Option<InodeId> {
        self.names.get(name).copied()
    }

    pub(super) fn get(&self, id: InodeId) -> Option<&Inode> {
        self.inodes.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: InodeId) -> Option<&mut Inode> {
        self.inodes.get_mut(&id)
    }

    /// Makes an empty file; its name is not durable yet.
    pub(super) fn create(&mut self, name: &str) -> InodeId {
        let id = self.insert(Inode::default());
        self.names.insert(name.to_owned(), id);
        let sequence = self.next_sequence();
        self.renamed_at.insert(name.to_owned(), sequence);
        id
    }

    /// Makes a file without a name, gone when its handle is closed.
    pub(super) fn create_temporary(&mut self) -> InodeId {
        self.insert(Inode::temporary())
    }

    /// Sets a file's content, durable at once, whatever was there.
    pub(super) fn put(&mut self, name: &str, image: FileImage) {
        self.remove(name, true);
        let id = self.insert(Inode::durable(image));
        self.names.insert(name.to_owned(), id);
        self.durable_names.insert(name.to_owned(), id);
    }

    /// Removes a name, durably or not; false if there was none. Handles stay usable.
    pub(super) fn remove(&mut self, name: &str, durably: bool) -> bool {
        let Some(id) = self.names.remove(name) else { return false };
        if durably {
            self.settle_name(name);
        } else {
            let sequence = self.next_sequence();
            self.renamed_at.insert(name.to_owned(), sequence);
        }
        self.collect(id);
        true
    }

    /// Moves a file to another name, durable at once, replacing what was there; false if there is
    /// no such file.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(id) = self.names.get(from).copied() else { return false };
        if from == to {
            return true;
        }
        self.remove(to, true);
        self.names.remove(from);
        self.names.insert(to.to_owned(), id);
        self.settle_name(from);
        self.settle_name(to);
        true
    }

    pub(super) fn write(&mut self, id: InodeId, offset: usize, data: &[u8]) {
        let sequence = self.next_sequence();
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.write(sequence, offset, data);
        }
    }

    pub(super) fn truncate(&mut self, id: InodeId, length: usize) {
        let sequence = self.next_sequence();
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.truncate(sequence, length);
        }
    }

    /// Makes a file's bytes durable, and all names as they are.
    pub(super) fn sync(&mut self, id: InodeId) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.sync();
        }
        while let Some((name, _)) = self.renamed_at.pop_first() {
            self.settle_name(&name);
        }
    }

    /// Takes away one handle of a file.
    pub(super) fn close(&mut self, id: InodeId, handle: u64) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.set_lock(handle, super::inode::LockLevel::None);
            inode.handles = inode.handles.saturating_sub(1);
            self.collect(id);
        }
    }

    pub(super) fn open_handles(&self) -> u64 {
        self.inodes.values().map(|inode| u64::from(inode.handles)).sum()
    }

    /// The process died: handles and files without a name are gone, all else stays as it is.
    pub(super) fn kill(&mut self) {
        for inode in self.inodes.values_mut() {
            inode.disown();
        }
        let ids: Vec<InodeId> = self.inodes.keys().copied().collect();
        for id in ids {
            self.collect(id);
        }
    }

    /// The power failed: what no sync covered survives as `mode` and `random` choose.
    pub(super) fn lose_power(&mut self, mode: CrashMode, random: &mut dyn Rng) -> CrashReport {
        let sequences = self.inodes.values().flat_map(Inode::unsynced_sequences);
        let sequences = sequences.chain(self.renamed_at.values().copied()).collect();
        let mut survival = Survival::new(mode, random, sequences);
        let mut names: BTreeSet<&String> = self.names.keys().collect();
        names.extend(self.durable_names.keys());
        let mut images = BTreeMap::new();
        for name in names {
            let keeps_change = match self.renamed_at.get(name) {
                Some(sequence) => survival.keeps_whole(*sequence),
                None => true,
            };
            let view = if keeps_change { &self.names } else { &self.durable_names };
            if let Some(inode) = view.get(name).and_then(|id| self.inodes.get(id)) {
                images.insert(name.clone(), inode.after_power_loss(&mut survival));
            }
        }
        let report = survival.report();
        // Inode numbers are never used again, so that a dead handle cannot reach a new file.
        let (last_inode, last_sequence) = (self.last_inode, self.last_sequence);
        *self = Self { last_inode, last_sequence, ..Self::default() };
        for (name, image) in images {
            self.put(&name, image);
        }
        report
    }

    fn view(
        &self,
        names: &BTreeMap<String, InodeId>,
        image: fn(&Inode) -> &FileImage,
    ) -> BTreeMap<String, FileImage> {
        let files = names.iter().filter_map(|(name, id)| Some((name, self.inodes.get(id)?)));
        files.map(|(name, inode)| (name.clone(), image(inode).clone())).collect()
    }

    fn insert(&mut self, inode: Inode) -> InodeId {
        self.last_inode += 1;
        let id = InodeId(self.last_inode);
        self.inodes.insert(id, inode);
        id
    }

    fn next_sequence(&mut self) -> u64 {
        self.last_sequence += 1;
        self.last_sequence
    }

    /// Makes the present meaning of a name durable.
    fn settle_name(&mut self, name: &str) {
        self.renamed_at.remove(name);
        let before = match self.names.get(name) {
            Some(id) => self.durable_names.insert(name.to_owned(), *id),
            None => self.durable_names.remove(name),
        };
        if let Some(id) = before {
            self.collect(id);
        }
    }

    /// Drops an inode that neither a name nor a handle leads to.
    fn collect(&mut self, id: InodeId) {
        let is_open = self.inodes.get(&id).is_some_and(|inode| inode.handles > 0);
        let is_named = self.names.values().chain(self.durable_names.values()).any(|n| *n == id);
        if !is_open && !is_named {
            self.inodes.remove(&id);
        }
    }
}
