^XA
^FX 51 x 25 mm at 203 dpi. Text, and a GS1 Data Matrix: (01) the product's GTIN, (11) made, (21) serial.^FS
^FX The GTIN is an example's: put yours. "\" is the symbol's escape character, "\1" its FNC1.^FS
^CI28
^PW408
^LL200
^FO16,16^A0N,30,30^FH^FD{product}^FS
^FO16,52^A0N,24,24^FH^FDREF {model}^FS
^FO16,82^A0N,24,24^FH^FDSN {serial}^FS
^FO16,112^A0N,20,20^FH^FD{date}^FS
^FO16,138^A0N,16,16^FH^FDprofile {profile.version}^FS
^FO16,160^A0N,16,16^FH^FDcertificate {certificate.serial}^FS
^FO270,24^BXN,5,200,,,,\^FH^FD\1010950110153000311{date.yymmdd}21{serial}^FS
^XZ
