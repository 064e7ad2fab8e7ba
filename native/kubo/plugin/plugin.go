package plugin

import (
	"fmt"
	"os"

	kubo "github.com/ipfs/kubo/plugin"
	"github.com/ipfs/kubo/repo/fsrepo"
)

const typeName = "zfsremote"

var _ kubo.PluginDatastore = (*datastorePlugin)(nil)

type datastorePlugin struct{}

// Plugins are for loader.PluginLoader.Load.
var Plugins = []kubo.Plugin{&datastorePlugin{}}

func (*datastorePlugin) Name() string                 { return "ds-zfsremote" }
func (*datastorePlugin) Version() string              { return "0.1.0" }
func (*datastorePlugin) Init(*kubo.Environment) error { return nil }
func (*datastorePlugin) DatastoreTypeName() string    { return typeName }

func (*datastorePlugin) DatastoreConfigParser() fsrepo.ConfigFromMap {
	return func(spec map[string]any) (fsrepo.DatastoreConfig, error) {
		return parseSpec(spec)
	}
}

// report is for what a person should see: Kubo shows no log below error.
func report(line string) {
	fmt.Fprintln(os.Stderr, line)
}
