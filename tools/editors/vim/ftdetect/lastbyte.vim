" The case language of lastbyte.
autocmd BufNewFile,BufRead *.case,*.family setfiletype lastbyte
