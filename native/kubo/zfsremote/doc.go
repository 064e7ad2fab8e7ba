// Package zfsremote is a go-datastore whose keys and values are kept by an
// ipfs-zfs daemon, in OpenZFS. It speaks the protocol of
// docs/remote-datastore.md over a unix socket, or over TCP with a token.
//
// # Keys
//
// A namespace belongs to one client. Its layout says which keys are blocks:
// with LayoutBlocks (what a store mounted at /blocks sees) those like /CIQ…,
// with LayoutRoot those like /blocks/CIQ…, with LayoutRecords none. A name is
// that of a block when it is the base32 form of a multihash. Such values go to
// the block store of the repo, where they are content-addressed: a second Put
// under the same key writes nothing, whatever its value. Every other key is a
// keyed record. Empty values exist in both.
//
// # Durability
//
// Put, Delete and Commit return when the daemon has acknowledged the change;
// what was acknowledged is on disk after the next Sync that returns nil. Sync
// covers all that was acknowledged before it was called, on whatever key.
//
// An acknowledged change outlives the daemon even before Sync: the client
// keeps what it has not synced (it syncs by itself when that is more than 64
// MiB or older than ten seconds), sees from each answer whether the daemon was
// started anew, and then sends those changes again before it goes on. Only
// when both processes die is what was not synced gone.
//
// # Batches
//
// A Commit is one request. The daemon understands all of it before it does any
// of it; it puts the blocks first, then changes the records in one
// transaction, then deletes blocks. A Commit that returns an error has changed
// no record; it may have put blocks that nothing refers to. Batches over 32
// MiB send their blocks ahead, in several requests.
//
// # Deletes
//
// Kubo's garbage collector deletes blocks one by one. When a Delete follows
// another closely, it is queued and returns at once; the queue is sent when it
// has 1,024 keys, after 20 ms, and before any Put, Commit, Query or Sync that
// could notice. Until then this client already answers that the key is gone. A
// queued Delete that fails is told by the next call that sends the queue.
//
// # A lost daemon
//
// Calls wait for it up to Config.Reconnect, or the deadline of their context,
// and fail with ErrUnavailable. The next call tries again. All requests can be
// repeated safely, and are.
package zfsremote
