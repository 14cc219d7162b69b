/** Names that mean something to a database, a query language, a file system or JavaScript, and those easily mixed up. */
export const oddNames = [
  ...words('a.b . .. .a a. $ $set $.a a$b a[0] [0] / a/b ~1 # * ? % : ; , @ | ( ) { } {} < & -- = + 0 -1 1.0'),
  ...words(String.raw`" ' \ \\ \" "." '' \u0041 \x41 \0 $1 $$ %s :a @a ?1`),
  ...words(
    'constructor __proto__ _bsontype prototype toString hasOwnProperty toJSON then length __token __ __a__ null true NaN',
  ),
  ...words('id _id key value values data user_id userId expires_at expiresAt created_at createdAt ttl rev size name _'),
  ...words('a A é e\u0301 É ß ss ı i I ﬁ fi 語 😀 👩‍👧 \u200b \u2028 \ufeff \uffff'),
  ...[' ', ' a', 'a ', 'a b', '`', '`a`', '語'.repeat(42), 'x'.repeat(128), 'X'.repeat(128), '😀'.repeat(32)],
]

/** JSON text that a store which parses it, or goes by a loose collation, does not give back as it was. The last is long. */
export function oddTextsWithin(maxValueBytes: number): string[] {
  return [
    ...words('null true 0 -0 1.0 1e2 1E400 0.1 12345678901234567890 "" "null" "[]" [] {} {"b":1,"a":2} {"a":1,"a":2}'),
    ...words(
      '{"a":null} {"__proto__":1} {"a.b":{"$set":{"c":[{"d":1}]}}} "é" "e\u0301" "É" "E" "e" "語" "😀" "\u2028"',
    ),
    ...words(
      String.raw`"\u0000" "a\u0000b" "\ud83d\ude00" "\ud800" "\/" "/" "\\" "\\\\" "\"" "\n" "'" "''" "$a" "$$ROOT" "%s"`,
    ),
    ...['"\ufeff"', '"\uffff"', '[ ]', '{ "b" : 1 }', '[1, 2]', '\n{\t"a":\r\n1}', ' "a"', '"a" ', '"\'; --"'],
    JSON.stringify('x'.repeat(Math.min(5000, maxValueBytes - 2))),
  ]
}

/** Texts that a loose collation takes for each other. Each is a user or a value of its own. */
export const lookalikes = [
  ...words('alice Alice ALICE alicé alice\u0301 alıce al\u0456ce ａlice alice\u200b'),
  ...['alice ', ' alice', 'alice  '],
]

function words(text: string): string[] {
  return text.split(' ')
}
