package drawing

import (
	"fmt"
	"html"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/weft-run/weft/api/v1alpha1"
)

// Options of a drawing.
type Options struct {
	// Title is what a screen reader says of the whole drawing.
	Title string
	// Kind returns a step's type for people and the name of its group, which
	// becomes a CSS class.
	Kind func(stepType string) (title, group string)
	// Port returns the name for people of a way out of a step.
	Port func(id, port string) string
	// Href is the address of a step's settings.
	Href func(id string) string
	// Marked steps have an error.
	Marked map[string]bool
	// MarkedText is what a screen reader says of a marked step.
	MarkedText string
}

// SVG draws the flow from top to bottom. Colours come from the page's style
// sheet; the attributes stand in for it where there is none.
func SVG(spec *v1alpha1.FlowSpec, options Options) template.HTML {
	places, rows, columns := layout(spec)
	width := columns*boxWidth + max(columns-1, 0)*gapX + 2*margin
	height := rows*boxHeight + max(rows-1, 0)*gapY + 2*margin
	d := drawer{places: places, width: width, columns: columnsPerRow(places), options: options}
	fmt.Fprintf(&d.out, `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="drawing" role="group" aria-label="%s" width="%d" height="%d" viewBox="0 0 %d %d">`,
		html.EscapeString(options.Title), width, height, width, height)
	for _, edge := range spec.Edges {
		d.edge(edge)
	}
	for i := range spec.Components {
		d.box(&spec.Components[i])
	}
	d.out.WriteString("</svg>")
	return template.HTML(d.out.String()) //nolint:gosec // every text in it went through html.EscapeString
}

type drawer struct {
	out     strings.Builder
	places  map[string]place
	columns map[int]int
	width   int
	options Options
}

func columnsPerRow(places map[string]place) map[int]int {
	counts := map[int]int{}
	for _, p := range places {
		counts[p.row]++
	}
	return counts
}

// corner returns the upper left corner of a box. Each row is centred.
func (d *drawer) corner(p place) (x, y int) {
	n := d.columns[p.row]
	row := n*boxWidth + (n-1)*gapX
	return (d.width-row)/2 + p.column*(boxWidth+gapX), margin + p.row*(boxHeight+gapY)
}

func (d *drawer) edge(edge v1alpha1.Edge) {
	from, okFrom := d.places[edge.Origin]
	to, okTo := d.places[edge.Target]
	if !okFrom || !okTo {
		return
	}
	x1, y1 := d.corner(from)
	x2, y2 := d.corner(to)
	x1, y1, x2 = x1+boxWidth/2, y1+boxHeight, x2+boxWidth/2
	bend := max((y2-y1)/2, gapY/2)
	fmt.Fprintf(&d.out, `<path class="drawing-edge" fill="none" stroke="#8a94a6" stroke-width="2" d="M%d %dC%d %d %d %d %d %d"/>`,
		x1, y1, x1, y1+bend, x2, y2-bend, x2, y2-4)
	fmt.Fprintf(&d.out, `<path class="drawing-tip" fill="#8a94a6" d="M%d %dl-5 -8h10z"/>`, x2, y2)
	if name := d.options.Port(edge.Origin, edge.OriginPort); name != "" {
		fmt.Fprintf(&d.out, `<text class="drawing-port" font-size="11" fill="#5b6577" text-anchor="middle" x="%d" y="%d">%s</text>`,
			(x1+x2)/2+gapX, (y1+y2)/2+4, html.EscapeString(short(name, 14)))
	}
}

func (d *drawer) box(step *v1alpha1.Component) {
	x, y := d.corner(d.places[step.ID])
	kind, group := d.options.Kind(step.Type)
	name := step.Name
	if name == "" {
		name = kind
	}
	class, spoken := "drawing-step drawing-"+strings.ToLower(group), name
	if d.options.Marked[step.ID] {
		class += " drawing-marked"
		spoken += ", " + d.options.MarkedText
	}
	fmt.Fprintf(&d.out, `<a class="%s" xlink:href="%s" href="%s" aria-label="%s">`, html.EscapeString(class),
		html.EscapeString(d.options.Href(step.ID)), html.EscapeString(d.options.Href(step.ID)), html.EscapeString(spoken))
	fmt.Fprintf(&d.out, `<rect class="drawing-box" x="%d" y="%d" width="%d" height="%d" rx="8" fill="#fff" stroke="#c3cad6"/>`, x, y, boxWidth, boxHeight)
	fmt.Fprintf(&d.out, `<rect class="drawing-band" x="%d" y="%d" width="4" height="%d" rx="2" fill="#5b6577"/>`, x+6, y+10, boxHeight-20)
	fmt.Fprintf(&d.out, `<text class="drawing-name" font-size="14" fill="#1c2430" x="%d" y="%d">%s</text>`, x+20, y+21, html.EscapeString(short(name, 19)))
	fmt.Fprintf(&d.out, `<text class="drawing-kind" font-size="11" fill="#5b6577" x="%d" y="%d">%s</text></a>`, x+20, y+37, html.EscapeString(short(kind, 24)))
}

// short cuts a text to so many characters.
func short(text string, length int) string {
	if utf8.RuneCountInString(text) <= length {
		return text
	}
	return string([]rune(text)[:length-1]) + "…"
}
