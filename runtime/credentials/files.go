package credentials

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// maxSecret bounds a value. A Secret as a whole is at most 1 MiB.
const maxSecret = 64 << 10

// Files are mounted Secrets: a folder per Secret, a file per key. A file is
// read each time that it is needed, so that a changed Secret counts from the
// moment at which the kubelet has written it.
type Files struct {
	// Dir holds the folders. Empty: there are none.
	Dir string
}

// Read returns the value of a key.
func (f Files) Read(ref *v1alpha1.SecretKeyRef) (catalog.Secret, error) {
	value, err := f.read(ref.Name, ref.Key)
	if errors.Is(err, errNoSecrets) {
		return catalog.Secret{}, unauthorized(
			"Kubernetes Secrets are not read here: test runs use keys of the vault only. Choose a key of the vault, or save the flow and call its address.", err)
	}
	if err != nil {
		return catalog.Secret{}, unauthorized(
			fmt.Sprintf("The Secret %q with the key %q could not be read. Check that both exist in the namespace of the flow.", ref.Name, ref.Key), err)
	}
	// Files and `kubectl create secret --from-file` like to end in a line
	// break, which no key has.
	return catalog.NewSecret(strings.TrimRight(value, "\r\n")), nil
}

var errNoSecrets = errors.New("no secrets are mounted")

func (f Files) read(name, key string) (string, error) {
	if f.Dir == "" {
		return "", errNoSecrets
	}
	// The root keeps symbolic links, which Kubernetes uses here, from leading
	// out of the folder.
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return "", fmt.Errorf("opening the secrets: %w", err)
	}
	defer func() { _ = root.Close() }()
	file, err := root.Open(filepath.Join(name, key))
	if err != nil {
		return "", fmt.Errorf("opening a secret: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	if len(data) > maxSecret {
		return "", fmt.Errorf("the secret is larger than %d bytes", maxSecret)
	}
	return string(data), nil
}
