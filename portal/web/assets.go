package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"

	"github.com/weft-run/weft/portal/server"
)

//go:embed static/style.css static/app.js
var staticFiles embed.FS

// asset is a static file. Pages name it with a version that changes with its
// content, so that browsers may keep it for ever.
type asset struct {
	// Address with the version.
	Address     string
	path        string
	version     string
	contentType string
	content     []byte
}

func readAsset(name, contentType string) (asset, error) {
	content, err := staticFiles.ReadFile("static/" + name)
	if err != nil {
		return asset{}, fmt.Errorf("reading a static file: %w", err)
	}
	sum := sha256.Sum256(content)
	a := asset{path: "/static/" + name, version: hex.EncodeToString(sum[:6]), contentType: contentType, content: content}
	a.Address = a.path + "?v=" + a.version
	return a, nil
}

// serve lets a browser keep what it asked for by its version. While an old and
// a new replica serve side by side, a page may ask for the other's version: it
// gets this one, and does not keep it.
func (a asset) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	if r.URL.Query().Get("v") == a.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Content-Length", strconv.Itoa(len(a.content)))
	_, err := w.Write(a.content)
	return err
}

func (a asset) route() server.Route {
	return server.Route{
		Method: http.MethodGet, Pattern: a.path, Access: server.Public("a static file that is the same for everybody"),
		Summary: "A static file of the pages.", Handler: a.serve,
	}
}
