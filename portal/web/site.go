// Package web renders the pages: plain HTML forms and links that work without
// any script, in English and Spanish. It knows how things look; what they do is
// the other modules' business.
package web

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/flows"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/portal/vault"
	"github.com/weft-run/weft/runtime/catalog"
)

//go:embed pages/*.html
var pageFiles embed.FS

// Keys is what the pages need of the vault. *vault.Vault has it.
type Keys interface {
	List(ctx context.Context, workspace uuid.UUID, after *uuid.UUID, limit int) ([]vault.Key, error)
}

// KeyUses tells which flows use which keys. *store.Store has it.
type KeyUses interface {
	KeyUses(ctx context.Context, workspace uuid.UUID) ([]store.KeyUse, error)
}

// Options are the parts of the pages.
type Options struct {
	Site    server.Site
	Catalog *catalog.Catalog
	Keys    Keys
	KeyUses KeyUses
	Log     *slog.Logger
}

// Site renders all pages. It implements server.Pages and flows.Views.
type Site struct {
	Options
	icons  map[string]string
	style  asset
	script asset
	speak  map[string]*language
}

// language is everything that depends on the language of a page.
type language struct {
	code  string
	words messages
	pages map[string]*template.Template
}

var (
	_ server.Pages = (*Site)(nil)
	_ flows.Views  = (*Site)(nil)
)

// New reads templates, messages and icons. What is wrong with them shows here.
func New(o Options) (*Site, error) {
	s := &Site{Options: o, speak: map[string]*language{}}
	var err error
	if s.icons, err = readIcons(); err != nil {
		return nil, err
	}
	if s.style, err = readAsset("style.css", "text/css; charset=utf-8"); err != nil {
		return nil, err
	}
	if s.script, err = readAsset("app.js", "text/javascript; charset=utf-8"); err != nil {
		return nil, err
	}
	for _, code := range languages {
		if s.speak[code], err = s.readLanguage(code); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// pageNames are the templates that are pages; each stands in layout.html.
var pageNames = [...]string{
	"login", "signup", "home", "keys", "settings", hereFlows, "flow", "clusterflow", "conflict", "share", "history", "problem",
}

func (s *Site) readLanguage(code string) (*language, error) {
	words, err := readMessages(code)
	if err != nil {
		return nil, err
	}
	l := &language{code: code, words: words, pages: map[string]*template.Template{}}
	for _, name := range pageNames {
		page, err := template.New("layout.html").Funcs(s.funcs(l)).ParseFS(pageFiles, "pages/layout.html", "pages/parts.html", "pages/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("reading the page %q: %w", name, err)
		}
		l.pages[name] = page
	}
	return l, nil
}

func (s *Site) funcs(l *language) template.FuncMap {
	return template.FuncMap{
		"t":    l.words.text,
		"icon": s.icon,
		"date": l.date,
		"ms":   duration,
		"pick": func(values ...any) []any { return values },
	}
}

// frame is what the layout needs around every page.
type frame struct {
	Language string
	Title    string
	// Here is the entry of the header that is this page's.
	Here  string
	CSRF  string
	Flash string
	// Who is signed in, nil for nobody.
	Who *identity.Subject
	// Path of this page, to come back to.
	Path   string
	Style  string
	Script string
	// Refresh reloads the page after so many seconds, without any script. 0:
	// never.
	Refresh int
	Body    any
}

// hereFlows is the entry of the header that pages of flows belong to.
const hereFlows = "flows"

// page says what a page is.
type page struct {
	Name    string
	Title   string
	Here    string
	Status  int
	Refresh int
	Body    any
}

func (s *Site) language(r *http.Request) *language {
	return s.speak[languageOf(r, s.Options.Site.CookieName(languageCookie))]
}

// Text translates a message key for the request's language. The key "language"
// gives the code of the language itself.
func (s *Site) Text(r *http.Request, key string) string {
	l := s.language(r)
	if key == "language" {
		return l.code
	}
	return l.words.text(key)
}

// render writes a page.
func (s *Site) render(w http.ResponseWriter, r *http.Request, p page) error {
	l := s.language(r)
	f := frame{
		Language: l.code, Title: p.Title, Here: p.Here, Path: backTo(r), Style: s.style.Address, Script: s.script.Address,
		Refresh: p.Refresh, Body: p.Body,
		CSRF: s.Options.Site.CSRFToken(w, r), Flash: l.words.text(s.Options.Site.TakeFlash(w, r)),
	}
	if who, ok := identity.FromContext(r.Context()); ok {
		f.Who = &who
	}
	var out bytes.Buffer
	if err := l.pages[p.Name].Execute(&out, f); err != nil {
		return fmt.Errorf("rendering the page %q: %w", p.Name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", l.code)
	h.Set("Vary", "Accept, Accept-Language, Cookie")
	h.Set("Content-Length", strconv.Itoa(out.Len()))
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	w.WriteHeader(p.Status)
	if _, err := out.WriteTo(w); err != nil {
		s.Log.DebugContext(r.Context(), "a browser went away", "error", err)
	}
	return nil
}

// backTo is the page to show again after the language was changed. The answer
// to a form has no address of its own.
func backTo(r *http.Request) string {
	if r.Method != http.MethodGet {
		return "/"
	}
	return r.URL.RequestURI()
}
