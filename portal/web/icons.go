package web

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
)

// The icons are those of Lucide (https://lucide.dev), copied as they are; see
// icons/LICENSE.
//
//go:embed icons/*.svg
var iconFiles embed.FS

// readIcons returns what is inside of each icon's svg element, by name.
func readIcons() (map[string]string, error) {
	names, err := fs.Glob(iconFiles, "icons/*.svg")
	if err != nil {
		return nil, fmt.Errorf("looking for icons: %w", err)
	}
	icons := make(map[string]string, len(names))
	for _, name := range names {
		data, err := iconFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading the icon %s: %w", name, err)
		}
		inside, err := insideOf(string(data))
		if err != nil {
			return nil, fmt.Errorf("reading the icon %s: %w", name, err)
		}
		icons[strings.TrimSuffix(path.Base(name), ".svg")] = inside
	}
	return icons, nil
}

func insideOf(svg string) (string, error) {
	_, rest, ok := strings.Cut(svg, "<svg")
	if !ok {
		return "", fmt.Errorf("no svg element")
	}
	_, rest, ok = strings.Cut(rest, ">")
	if !ok {
		return "", fmt.Errorf("the svg element does not end")
	}
	inside, _, ok := strings.Cut(rest, "</svg>")
	if !ok {
		return "", fmt.Errorf("the svg element does not end")
	}
	return strings.Join(strings.Fields(inside), " "), nil
}

// icon draws an icon that says nothing a text beside it does not say.
func (s *Site) icon(name string, class ...string) (template.HTML, error) {
	inside, ok := s.icons[name]
	if !ok {
		return "", fmt.Errorf("there is no icon %q", name)
	}
	classes := "icon"
	if len(class) > 0 {
		classes += " " + class[0]
	}
	return template.HTML(`<svg class="` + template.HTMLEscapeString(classes) + `" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" width="18" height="18" aria-hidden="true" focusable="false">` + inside + `</svg>`), nil //nolint:gosec // our own files
}
