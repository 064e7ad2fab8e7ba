package plugin

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ipfs/kubo/config"

	"ipfs-zfs/kubo/zfsremote"
)

const (
	helloTimeout = 10 * time.Second

	// BlocksSuffix and PinsSuffix are what the names of the two namespaces of
	// the mount layout end with.
	BlocksSuffix = ".blocks"
	PinsSuffix   = ".pins"
)

// settingsJSON is also what `ipfs-zfs kubo configure` applies, and what
// docs/kubo.md explains.
//
//go:embed settings.json
var settingsJSON []byte

type setting struct {
	Path  string `json:"path"`
	Value any    `json:"value"`
}

func init() {
	config.Profiles["zfs"] = config.Profile{
		Description: `Keeps blocks and pins in OpenZFS, in a running ipfs-zfs daemon, and
sets what fits that. The daemon is at IPFS_ZFS_DATASTORE (unix:PATH or
host:port, with its token in the file IPFS_ZFS_TOKEN_FILE), by default at
the socket "datastore" in IPFS_ZFS_PATH or ~/.ipfs-zfs.`,
		InitOnly:  true,
		Transform: applyProfile,
	}
}

// Door is how the daemon is reached. Paths are absolute.
type Door struct {
	Address   string
	TokenFile string
	CAFile    string
}

func applyProfile(c *config.Config) error {
	address, err := daemonAddress()
	if err != nil {
		return err
	}
	door := Door{
		Address:   address,
		TokenFile: os.Getenv("IPFS_ZFS_TOKEN_FILE"),
		CAFile:    os.Getenv("IPFS_ZFS_CA_FILE"),
	}
	namespace := os.Getenv("IPFS_ZFS_NAMESPACE")
	if namespace == "" {
		namespace = RandomNamespace()
	}
	return Apply(c, door, namespace, os.Getenv("IPFS_ZFS_LAYOUT") == "root")
}

// Config is that of a client that comes through the door.
func (d Door) Config() (zfsremote.Config, error) {
	s := &spec{address: d.Address, tokenFile: d.TokenFile, caFile: d.CAFile}
	return s.config("")
}

// RandomNamespace is a name for the data of a new Kubo repo.
func RandomNamespace() string {
	random := make([]byte, 6)
	rand.Read(random)
	return "kubo-" + hex.EncodeToString(random)
}

// Apply makes a config one whose data is behind the door.
func Apply(c *config.Config, door Door, namespace string, root bool) error {
	common := map[string]any{"type": typeName, "address": door.Address}
	if door.TokenFile != "" {
		common["tokenFile"] = door.TokenFile
	}
	if door.CAFile != "" {
		common["caFile"] = door.CAFile
	}
	c.Datastore.Spec = datastoreSpec(common, namespace, root)
	var err error
	if c.Datastore.StorageMax, err = storageMax(door); err != nil {
		return err
	}
	return applySettings(c)
}

func daemonAddress() (string, error) {
	if address := os.Getenv("IPFS_ZFS_DATASTORE"); address != "" {
		return address, nil
	}
	folder := os.Getenv("IPFS_ZFS_PATH")
	if folder == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		folder = filepath.Join(home, ".ipfs-zfs")
	}
	folder, err := filepath.Abs(folder)
	return "unix:" + filepath.Join(folder, "datastore"), err
}

// datastoreSpec mounts /blocks and /pins on the daemon and leaves the rest, a
// few small records that change often, on a local store; or, as root, gives
// everything to the daemon.
func datastoreSpec(common map[string]any, namespace string, root bool) map[string]any {
	part := func(layout zfsremote.Layout, suffix string) map[string]any {
		s := map[string]any{"namespace": namespace + suffix, "layout": string(layout)}
		for name, value := range common {
			s[name] = value
		}
		return s
	}
	if root {
		return part(zfsremote.LayoutRoot, "")
	}
	mount := func(at string, s map[string]any) map[string]any {
		s["mountpoint"] = at
		return s
	}
	return map[string]any{
		"type": "mount",
		"mounts": []any{
			mount("/blocks", part(zfsremote.LayoutBlocks, BlocksSuffix)),
			mount("/pins", part(zfsremote.LayoutRecords, PinsSuffix)),
			mount("/", LocalSpec()),
		},
	}
}

// LocalSpec is of the store for what is not on the daemon: Kubo's default.
func LocalSpec() map[string]any {
	return map[string]any{"type": "levelds", "path": "datastore", "compression": "none"}
}

// storageMax is nine tenths of what the pool can hold.
func storageMax(door Door) (string, error) {
	cfg, err := door.Config()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), helloTimeout)
	defer cancel()
	hello, err := zfsremote.AskHello(ctx, cfg)
	if errors.Is(err, zfsremote.ErrUnavailable) {
		return "", fmt.Errorf("%w; start it with: ipfs-zfs daemon --datastore %s", err, door.Address)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%dB", hello.MaxBytes/10*9), nil
}

// applySettings goes by way of JSON, because the settings name their fields as
// Kubo's config file does.
func applySettings(c *config.Config) error {
	var settings []setting
	if err := json.Unmarshal(settingsJSON, &settings); err != nil {
		return err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		return err
	}
	for _, s := range settings {
		names := strings.Split(s.Path, ".")
		at := whole
		for _, name := range names[:len(names)-1] {
			child, ok := at[name].(map[string]any)
			if !ok {
				child = map[string]any{}
				at[name] = child
			}
			at = child
		}
		at[names[len(names)-1]] = s.Value
	}
	if text, err = json.Marshal(whole); err != nil {
		return err
	}
	return json.Unmarshal(text, c)
}
