" The case language of lastbyte: cases and families. `lastbyte list words` has the words.
if exists('b:current_syntax')
  finish
endif
syntax case match
syntax iskeyword @,48-57,-

" Statements are known by their first word, behind a prefix where there is one.
syntax match lastbytePrefix /\v^\s*(setup|should)\s+/ nextgroup=lastbyteVerb
syntax match lastbyteVerb contained /\v<(get|head|post|put|delete|options|read|write|close|cancel|drop|wait|poll|trailer|close-idle|advance|settle|signal|expect)>/
syntax match lastbyteStatement /\v^\s*<(get|head|post|put|delete|options|read|write|close|cancel|drop|wait|poll|trailer|close-idle|advance|settle|signal|expect)>/
syntax match lastbyteStatement /\v^\s*<(want|send|chunk|fill|gzip|pause|await|close|half-close|reset|stall|refuse|serve)>/
syntax match lastbyteHeader /\v^\s*<(case|level|spec|tags|vary|option|schedule)>/
syntax match lastbyteBlock /\v^\s*<(host|conn|client|family|table)>/

syntax keyword lastbyteLevel MUST SHOULD MAY HOUSE
syntax keyword lastbyteOperand GET HEAD POST PUT DELETE OPTIONS any all end body cut or chunked piece once at fail
syntax keyword lastbyteOperand interim stop upgrade http10 with never slice whole idempotent gzip deadline source pool
syntax keyword lastbyteOperand conns wire workers fill expect await stall close reset
syntax keyword lastbyteOperand after demote start second third
syntax keyword lastbyteRole read write dial caller server
syntax keyword lastbyteOutcome end ok none pending error unreached-ok
syntax keyword lastbyteError incomplete cancelled reset timeout protocol refused closed limit memory source
syntax keyword lastbyteState none open ended failed cancelled closed nobody client server
syntax match lastbyteTerm /\v<(idle|busy|waiting|opened|closed|state|closed-by|read|write|dial|rewound)>\ze[<>]?\=/
syntax match lastbyteOption /\v<(per-host|idle-per-host|idle-total|idle-timeout|dial-timeout|head-timeout|head-size)>\ze\=/
syntax match lastbyteOption /\v<(retries|drain|drain-time|continue-timeout|written-timeout|gzip|gzip-tail|gzip-ratio|keep-alive)>\ze\=/
syntax match lastbyteNumber /\v<[0-9]+(ns|us|ms|s|min)?>/
syntax match lastbyteSign /=>\|&/

syntax match lastbyteEscape contained /\v\\(x\x\x|.)/
syntax match lastbyteHole /{[a-z0-9-]*}/ containedin=ALLBUT,lastbyteComment
syntax region lastbyteString start=/"/ skip=/\\./ end=/"/ oneline contains=lastbyteEscape,lastbyteHole
syntax match lastbyteTitle /\v^\s*title\s.*/ contains=lastbyteHole
syntax match lastbyteHead /\v^\s*\|( .*)?$/ contains=lastbyteEscape,lastbyteHole
syntax match lastbyteComment /\v(^|\s)#[^0-9].*$|^\s*#$/

highlight default link lastbytePrefix PreProc
highlight default link lastbyteVerb Statement
highlight default link lastbyteStatement Statement
highlight default link lastbyteHeader Keyword
highlight default link lastbyteBlock Structure
highlight default link lastbyteLevel Constant
highlight default link lastbyteOperand Type
highlight default link lastbyteRole Type
highlight default link lastbyteOutcome Special
highlight default link lastbyteError Special
highlight default link lastbyteState Constant
highlight default link lastbyteTerm Identifier
highlight default link lastbyteOption Identifier
highlight default link lastbyteNumber Number
highlight default link lastbyteSign Operator
highlight default link lastbyteEscape SpecialChar
highlight default link lastbyteHole Macro
highlight default link lastbyteString String
highlight default link lastbyteTitle Title
highlight default link lastbyteHead String
highlight default link lastbyteComment Comment

let b:current_syntax = 'lastbyte'
