// MiMo's chat format as one Jinja text: the fall-back for checkpoints without a template of their own, and the
// template written into new ones.
//
// The text is the format the model was trained on, so every newline counts: blocks follow each other without one,
// reasoning and content touch, string arguments stand raw and all others are JSON. In the list of tools, true, false,
// null and lists of types are spelled as Python does, because the published template prints them that way.
// Thinking is off unless asked for; when off, the prompt ends in an empty reasoning block, when on, the model opens
// it itself. Reasoning of earlier turns stays. Special tokens are written whole, never assembled, so that they can
// be told from text.

const HEADER = `{%- if enable_thinking is not defined %}{% set enable_thinking = false %}{% endif -%}
{%- if messages and messages[0].role == 'system' -%}
  {%- set system = messages[0].content -%}
  {%- set turns = messages[1:] -%}
{%- else -%}
  {%- set system = 'You are MiMo, a helpful AI assistant engineered by Xiaomi.' -%}
  {%- set turns = messages -%}
{%- endif -%}`;

const MACROS = `{%- macro render_text(content) -%}
  {%- if content is string -%}
    {{- content -}}
  {%- elif content -%}
    {%- for part in content -%}{{- part.text -}}{%- endfor -%}
  {%- endif -%}
{%- endmacro -%}
{%- macro render_fields(object, except) -%}
  {%- for key, value in object | items -%}
    {%- if key not in except -%}
      {{- '\\n<' ~ key ~ '>' -}}
      {%- if value is none -%}
        {{- 'None' -}}
      {%- elif value is boolean -%}
        {{- 'True' if value else 'False' -}}
      {%- else -%}
        {{- value if value is string else value | tojson -}}
      {%- endif -%}
      {{- '</' ~ key ~ '>' -}}
    {%- endif -%}
  {%- endfor -%}
{%- endmacro -%}`;

const TOOLS = `{%- if tools -%}
  {{- '\\n\\n# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\n' -}}
  {{- 'You have access to the following functions:\\n\\n<tools>' -}}
  {%- for tool in tools -%}
    {%- if tool.function is defined -%}{%- set tool = tool.function -%}{%- endif -%}
    {{- '\\n<function>\\n<name>' ~ tool.name ~ '</name>' -}}
    {%- if tool.description is string -%}
      {{- '\\n<description>' ~ (tool.description | trim) ~ '</description>' -}}
    {%- endif -%}
    {{- '\\n<parameters>' -}}
    {%- if tool.parameters is mapping -%}
      {%- if tool.parameters.properties is mapping -%}
        {%- for name, schema in tool.parameters.properties | items -%}
          {{- '\\n<parameter>\\n<name>' ~ name ~ '</name>' -}}
          {%- if schema is mapping -%}
            {%- if schema.type is defined -%}
              {{- '\\n<type>' -}}
              {{- schema.type if schema.type is string else "['" ~ schema.type | join("', '") ~ "']" -}}
              {{- '</type>' -}}
            {%- endif -%}
            {%- if schema.description is string -%}
              {{- '\\n<description>' ~ (schema.description | trim) ~ '</description>' -}}
            {%- endif -%}
            {{- render_fields(schema, ['name', 'type', 'description']) -}}
          {%- endif -%}
          {{- '\\n</parameter>' -}}
        {%- endfor -%}
      {%- endif -%}
      {{- render_fields(tool.parameters, ['type', 'properties']) -}}
    {%- endif -%}
    {{- '\\n</parameters>' -}}
    {{- render_fields(tool, ['type', 'name', 'description', 'parameters']) -}}
    {{- '\\n</function>' -}}
  {%- endfor -%}
  {{- '\\n</tools>\\n\\nFor each function call, output the function name and arguments in the following format:\\n' -}}
  {{- '<tool_call>\\n<function=example_function_name>\\n' -}}
  {{- '<parameter=example_parameter_1>value_1</parameter>\\n' -}}
  {{- '<parameter=example_parameter_2>This is the value for the second parameter\\nthat can span\\n' -}}
  {{- 'multiple lines</parameter>\\n</function>\\n</tool_call>\\n\\n<IMPORTANT>\\n' -}}
  {{- '- Function calls MUST follow the specified format: an inner <function=...></function> block must be ' -}}
  {{- 'nested within <tool_call></tool_call> XML tags\\n' -}}
  {{- '- DO NOT use function calls inside <think></think> tags.\\n' -}}
  {{- '- The value enclosed between parameter tags is preserved exactly as-is, including newlines and spaces.\\n' -}}
  {{- '</IMPORTANT>' -}}
{%- endif -%}`;

const TURNS = `{%- for message in turns -%}
  {%- if message.role == 'tool' -%}
    {%- if loop.first or loop.previtem.role != 'tool' -%}
      {{- '<|im_start|>tool\\n' -}}
    {%- endif -%}
    {{- '<tool_response>\\n' -}}{{- render_text(message.content) -}}{{- '\\n</tool_response>\\n' -}}
    {%- if loop.last or loop.nextitem.role != 'tool' -%}
      {{- '<|im_end|>' -}}
    {%- endif -%}
  {%- elif message.role == 'assistant' -%}
    {{- '<|im_start|>assistant\\n<think>' -}}
    {{- message.reasoning_content if message.reasoning_content is string else '' -}}
    {{- '</think>' -}}
    {{- render_text(message.content) -}}
    {%- for tool_call in message.tool_calls or [] -%}
      {%- if tool_call.function is defined -%}{%- set tool_call = tool_call.function -%}{%- endif -%}
      {{- '<tool_call>\\n<function=' ~ tool_call.name ~ '>\\n' -}}
      {%- for name, value in (tool_call.arguments or {}) | items -%}
        {{- '<parameter=' ~ name ~ '>' -}}
        {{- value if value is string else value | tojson -}}
        {{- '</parameter>\\n' -}}
      {%- endfor -%}
      {{- '</function>\\n</tool_call>' -}}
    {%- endfor -%}
    {{- '<|im_end|>' -}}
  {%- else -%}
    {{- '<|im_start|>' ~ message.role ~ '\\n' -}}{{- render_text(message.content) -}}{{- '<|im_end|>' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\\n' -}}
  {%- if not enable_thinking -%}{{- '<think></think>' -}}{%- endif -%}
{%- endif -%}`;

/** The chat template of MiMo-V2-Flash. Variables: messages, tools, add_generation_prompt, enable_thinking. */
export const MIMO_CHAT_TEMPLATE = [
  HEADER,
  MACROS,
  `{{- '<|im_start|>system\\n' -}}{{- render_text(system) -}}`,
  TOOLS,
  `{{- '<|im_end|>' -}}`,
  TURNS,
].join("\n");
