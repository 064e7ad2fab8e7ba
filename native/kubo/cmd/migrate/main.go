// Command migrate moves the blocks and pins of a Kubo repo into an ipfs-zfs
// daemon. `ipfs-zfs kubo migrate` runs it.
//
// It copies key by key from whatever datastore the repo has (flatfs, leveldb,
// pebble, badger), checking the hash of each block, reads everything back and
// compares, and only then changes the repo's config and datastore_spec, of
// which it keeps copies. It can be stopped at any moment and run again: what is
// there is not copied again. The old datastore stays where it is.
//
// Progress is on standard output, a line of JSON each half second.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"ipfs-zfs/kubo/plugin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	repo := flag.String("repo", "", "the Kubo repo")
	var door plugin.Door
	flag.StringVar(&door.Address, "address", "", "of the daemon: unix:PATH or host:port")
	flag.StringVar(&door.TokenFile, "token-file", "", "the token of a daemon on a host and port")
	flag.StringVar(&door.CAFile, "ca-file", "", "TLS: the certificates to trust, in PEM")
	flag.Parse()
	if *repo == "" || door.Address == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := migrate(ctx, *repo, door); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
