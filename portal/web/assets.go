package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/weft-run/weft/portal/server"
)

//go:embed static/style.css static/app.js
var staticFiles embed.FS

// asset is a static file whose address changes with its content, so that
// browsers may keep it for ever.
type asset struct {
	Path        string
	contentType string
	content     []byte
}

func readAsset(name, contentType string) (asset, error) {
	content, err := staticFiles.ReadFile("static/" + name)
	if err != nil {
		return asset{}, fmt.Errorf("reading a static file: %w", err)
	}
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	return asset{
		Path:        "/static/" + strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:6]) + ext,
		contentType: contentType, content: content,
	}, nil
}

func (a asset) serve(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Length", strconv.Itoa(len(a.content)))
	_, err := w.Write(a.content)
	return err
}

func (a asset) route() server.Route {
	return server.Route{
		Method: http.MethodGet, Pattern: a.Path, Access: server.Public("a static file that is the same for everybody"),
		Summary: "A static file of the pages.", Handler: a.serve,
	}
}
