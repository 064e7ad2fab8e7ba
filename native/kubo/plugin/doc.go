// Package plugin lets Kubo keep its data in an ipfs-zfs daemon: it registers
// the datastore type "zfsremote" and the init profile "zfs".
//
// A spec of the type has these fields:
//
//	type       "zfsremote"
//	address    unix:PATH (relative to the Kubo repo) or host:port
//	namespace  the identity of the data
//	layout     blocks, records or root: which keys are blocks
//	tokenFile  file with the token of a daemon on a host and port
//	tls        true: TLS with the system's roots
//	caFile     TLS with the roots in this PEM file
//	reconnect  how long a call waits for a daemon that is away, as "5s"
//
// Only type, namespace and layout are in the DiskSpec: everything else may be
// changed in Kubo's config without a word to datastore_spec.
//
// Kubo opens a root datastore more than once: it copies the spec, sets "path"
// to a folder in its repo, and removes that folder when the data in it is no
// longer wanted. So a spec with a path is a namespace of its own, of layout
// records, with a marker in the folder; where the marker is missing, what the
// namespace holds is of a folder that was removed, and is destroyed first.
package plugin
