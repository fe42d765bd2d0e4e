package report

import (
	"bytes"
	"html/template"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// described is a description's Markdown as HTML. HTML in it is left out, links lead to the web or by mail and nowhere else, and a picture is
// its text: the page asks for nothing.
func described(text string) template.HTML {
	var out bytes.Buffer
	if err := descriptions.Convert([]byte(visible(text)), &out); err != nil {
		return template.HTML(template.HTMLEscapeString(text))
	}
	return template.HTML(out.String())
}

var descriptions = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(pictures{}, 1))))

// pictures writes the text of a picture instead of it.
type pictures struct{}

// RegisterFuncs is of renderer.NodeRenderer.
func (pictures) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindImage, func(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) { return ast.WalkContinue, nil })
}
