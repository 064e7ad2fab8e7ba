// Command ipfs is Kubo, from Kubo's own main package, with the datastore type
// "zfsremote" and the init profile "zfs" compiled in.
package main

import (
	"os"

	"github.com/ipfs/kubo/cmd/ipfs/kubo"
	"github.com/ipfs/kubo/plugin/loader"

	"ipfs-zfs/kubo/plugin"
)

func main() {
	os.Exit(kubo.Start(kubo.BuildEnv(func(l *loader.PluginLoader) error {
		for _, p := range plugin.Plugins {
			if err := l.Load(p); err != nil {
				return err
			}
		}
		return nil
	})))
}
