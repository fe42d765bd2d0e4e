package serve

import (
	"html/template"
	"text/template/parse"
)

// cleanTexts makes a set of templates pass everything that they write through the function clean, before it is escaped.
func cleanTexts(set *template.Template) {
	for _, t := range set.Templates() {
		if t.Tree != nil {
			cleanList(t.Tree, t.Tree.Root)
		}
	}
}

func cleanList(tree *parse.Tree, list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.ActionNode:
			if len(n.Pipe.Decl) == 0 {
				f := parse.NewIdentifier("clean").SetTree(tree).SetPos(n.Pos)
				n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{f}})
			}
		case *parse.IfNode:
			cleanList(tree, n.List)
			cleanList(tree, n.ElseList)
		case *parse.RangeNode:
			cleanList(tree, n.List)
			cleanList(tree, n.ElseList)
		case *parse.WithNode:
			cleanList(tree, n.List)
			cleanList(tree, n.ElseList)
		}
	}
}
