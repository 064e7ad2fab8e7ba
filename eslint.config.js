import tseslint from 'typescript-eslint'

export default tseslint.config(
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname }
    },
    rules: {
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      // Interfaces of the JS stores ask for async generators and methods that need no await.
      '@typescript-eslint/require-await': 'off'
    }
  },
  {
    // A test suite is one long function by nature.
    files: ['test/**', 'bench/**'],
    rules: { 'max-lines-per-function': 'off' }
  },
  { ignores: ['dist', 'build', 'native', 'node_modules', 'eslint.config.js', 'test/stubs'] }
)
