package web_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// parse reads a page, and fails where a tag is not closed in its place.
func parse(t *testing.T, page string) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatalf("the page is not HTML: %v", err)
	}
	return root
}

func each(n *html.Node, fn func(*html.Node)) {
	if n.Type == html.ElementNode {
		fn(n)
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		each(child, fn)
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func textOf(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		for child := n.FirstChild; child != nil; child = child.NextSibling {
			walk(child)
		}
	}
	walk(n)
	return b.String()
}

// words are what a page says, for messages of tests.
func words(t *testing.T, page string) string {
	t.Helper()
	return strings.Join(strings.Fields(textOf(parse(t, page))), " ")
}

// controlsOf returns what a browser would send with the outline's form, but the
// session's token and the buttons.
func controlsOf(t *testing.T, page string) url.Values {
	t.Helper()
	form := url.Values{}
	each(parse(t, page), func(n *html.Node) {
		if n.Data != "form" || attribute(n, "id") != "outline" {
			return
		}
		each(n, func(c *html.Node) { addControl(form, c) })
	})
	if len(form) == 0 {
		t.Fatalf("the page has no outline: %s", page)
	}
	form.Del("csrf_token")
	return form
}

func addControl(form url.Values, n *html.Node) {
	name := attribute(n, "name")
	if name == "" {
		return
	}
	switch n.Data {
	case "input":
		kind := attribute(n, "type")
		if (kind == "checkbox" || kind == "radio") && !has(n, "checked") {
			return
		}
		form.Add(name, attribute(n, "value"))
	case "textarea":
		// A browser drops the line end behind the opening tag, as the parser
		// does.
		form.Add(name, textOf(n))
	case "select":
		form.Add(name, selected(n))
	}
}

func selected(n *html.Node) string {
	value, first := "", true
	each(n, func(o *html.Node) {
		if o.Data == "option" && (first || has(o, "selected")) {
			value, first = attribute(o, "value"), false
		}
	})
	return value
}
